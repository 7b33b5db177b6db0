"""Anthropic's usage objects to `Usage`; knows no message and no price.

| Usage                  | Anthropic                                                                               |
|------------------------|-----------------------------------------------------------------------------------------|
| prompt_tokens          | input_tokens + cache_read_input_tokens + cache_creation_input_tokens                     |
| cached_tokens          | cache_read_input_tokens                                                                  |
| cache_write_tokens     | cache_creation_input_tokens, or the sum of cache_creation.* where that is larger         |
| cache_write_1h_tokens  | cache_creation.ephemeral_1h_input_tokens; what the split leaves unnamed is 5m            |
| completion_tokens      | output_tokens                                                                            |
| reasoning_tokens       | output_tokens_details.thinking_tokens, None where not reported                           |
| queries                | server_tool_use.web_search_requests, of the whole turn                                   |
| token counters         | summed over `iterations` where present: the top level leaves some rounds out             |
| source                 | provider; provider_partial until a stream's message_delta                                |

Source: https://platform.claude.com/docs/en/api/messages/create#response.usage, checked 2026-11-24.
"""

from typing import Final

import msgspec
from msgspec import Raw, UnsetType
from msgspec.structs import replace

from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from schemas.anthropic.response import IterationUsage, WireUsage
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireUsage)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_ENCODER: Final = msgspec.json.Encoder()
_COUNTERS: Final = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "queries",
)
_TIERS: Final = {"standard": "default"}


class Reported:
    """The usage of one turn as it is reported: once, or in a stream piece by piece, the last value of each field.

    `service_tier` is the tier that served, in OpenAI's words, once `usage` was asked for.
    """

    def __init__(self) -> None:
        self.service_tier: str | None = None
        self._fields: dict[str, Raw] = {}

    def add(self, raw: Raw | UnsetType) -> None:
        """Take a usage object; fields that are null or absent leave earlier values alone."""
        if isinstance(raw, UnsetType):
            return
        try:
            fields = _FIELDS.decode(raw)
        except UNREADABLE:
            raise _bad_usage() from None
        for name, value in fields.items():
            if bytes(value) != b"null":
                self._fields[name] = value.copy()

    def usage(self, *, final: bool) -> Usage:
        """Return what is known so far."""
        raw = Raw(_ENCODER.encode(self._fields))
        try:
            wire = _DECODER.decode(raw)
        except UNREADABLE:
            raise _bad_usage() from None
        total = _sum([_of(part) for part in wire.iterations or (wire,)])
        details, tools = wire.output_tokens_details, wire.server_tool_use
        if wire.service_tier is not None:
            self.service_tier = _TIERS.get(wire.service_tier, wire.service_tier)
        return replace(
            total,
            reasoning_tokens=details.thinking_tokens if details is not None else None,
            queries=tools.web_search_requests if tools is not None else None,
            source="provider" if final else "provider_partial",
            raw=raw,
        )


def add(first: Usage | None, second: Usage) -> Usage:
    """Return the usage of two rounds of one answer together; `raw` is the list of both."""
    if first is None:
        return second
    total = _sum([first, second])
    return replace(total, source=second.source, raw=Raw(b"[" + _items(first) + b"," + _items(second) + b"]"))


def _items(usage: Usage) -> bytes:
    raw = b"null" if isinstance(usage.raw, UnsetType) else bytes(usage.raw)
    return raw[1:-1] if raw.startswith(b"[") else raw


def _of(part: IterationUsage) -> Usage:
    split = part.cache_creation
    five_minutes = split.ephemeral_5m_input_tokens if split is not None else None
    one_hour = split.ephemeral_1h_input_tokens if split is not None else None
    written = part.cache_creation_input_tokens
    if five_minutes is not None or one_hour is not None:
        written = max(written or 0, (five_minutes or 0) + (one_hour or 0))
    read = part.cache_read_input_tokens
    prompt = part.input_tokens
    if prompt is not None or read is not None or written is not None:
        prompt = (prompt or 0) + (read or 0) + (written or 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=part.output_tokens,
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=one_hour,
    )


def _sum(parts: list[Usage]) -> Usage:
    if len(parts) == 1:
        return parts[0]
    total: dict[str, int | None] = {}
    for name in _COUNTERS:
        values: list[int] = [value for part in parts if (value := getattr(part, name)) is not None]
        total[name] = sum(values) if values else None
    return Usage(
        prompt_tokens=total["prompt_tokens"],
        completion_tokens=total["completion_tokens"],
        cached_tokens=total["cached_tokens"],
        cache_write_tokens=total["cache_write_tokens"],
        cache_write_1h_tokens=total["cache_write_1h_tokens"],
        reasoning_tokens=total["reasoning_tokens"],
        queries=total["queries"],
    )


def _bad_usage() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider's usage is not what its API promises.")
