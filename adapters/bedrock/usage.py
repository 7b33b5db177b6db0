"""Bedrock's usage object to `Usage`; knows no message and no price.

| Usage                  | Bedrock                                                                       |
|------------------------|-------------------------------------------------------------------------------|
| prompt_tokens          | inputTokens + cacheReadInputTokens + cacheWriteInputTokens                     |
| cached_tokens          | cacheReadInputTokens                                                          |
| cache_write_tokens     | cacheWriteInputTokens, or the sum of cacheDetails where that is larger        |
| cache_write_1h_tokens  | cacheDetails with the ttl `1h`                                                |
| completion_tokens      | outputTokens                                                                  |
| reasoning_tokens       | None: not reported apart                                                      |

That `inputTokens` excludes the cache is not said in the documentation; recorded answers show it: `totalTokens` is the
sum of all four. Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, checked
2026-11-24.
"""

from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from schemas.bedrock.response import WireUsage
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireUsage)


def to_usage(raw: Raw | UnsetType) -> Usage:
    """Return the usage of a whole answer; counters that are not reported stay None."""
    if isinstance(raw, UnsetType):
        return Usage()
    try:
        wire = _DECODER.decode(raw)
    except UNREADABLE:
        message = "The provider's usage is not what its API promises."
        raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
    details = wire.cache_details or []
    one_hour = sum(detail.input_tokens or 0 for detail in details if detail.ttl == "1h") if details else None
    written = wire.cache_write_input_tokens
    if details:
        written = max(written or 0, sum(detail.input_tokens or 0 for detail in details))
    parts = [count for count in (wire.input_tokens, wire.cache_read_input_tokens, written) if count is not None]
    return Usage(
        prompt_tokens=sum(parts) if parts else None,
        completion_tokens=wire.output_tokens,
        cached_tokens=wire.cache_read_input_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=one_hour,
        raw=raw.copy(),
    )
