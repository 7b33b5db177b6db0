"""Token counters of Cohere to the meter vector; knows no message.

| hub                | Cohere                                                                                |
| ------------------ | ------------------------------------------------------------------------------------- |
| prompt_tokens      | tokens.input_tokens + tokens.image_tokens (recorded: 34 beside 259, 267 of them       |
|                    | billed, so the input excludes the images)                                             |
| cached_tokens      | cached_tokens (a part of tokens.input_tokens; it exceeds billed_units.input_tokens)   |
| prompt_image_tokens| tokens.image_tokens                                                                   |
| completion_tokens  | tokens.output_tokens (includes the reasoning)                                         |
| reasoning_tokens   | tokens.reasoning_tokens                                                               |
| images             | billed_units.images (embeddings of images are charged by the image)                    |
| queries            | billed_units.search_units (reranking is charged by the search unit, not by tokens)     |
| raw                | usage as it came, with billed_units                                                   |

`tokens` is what the model read and wrote, with Cohere's own instructions of up to some 1,500 tokens; only they make the
details parts of their totals. `billed_units` leaves those instructions out. They count where there are no `tokens` (all
embeddings), and everywhere for a deployment with the option `usage` = `billed`: then cached tokens are not reported.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.errors import ErrorKind, ProviderError
from schemas.cohere import ReceivedTokens, ReceivedUsage
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(ReceivedUsage)
_NOTHING: Final = ReceivedTokens()


def counts_billed_units(options: Mapping[str, str]) -> bool:
    """Return what the deployment's option `usage` (`tokens`, `billed`) says."""
    wanted = options.get("usage", "tokens")
    if wanted not in {"tokens", "billed"}:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The deployment's option 'usage' has no valid value.")
    return wanted == "billed"


def to_usage(raw: Raw | UnsetType, *, billed: bool = False) -> Usage | None:
    """Return the counters, None where none is reported; raises `msgspec.DecodeError` where they are no numbers."""
    if isinstance(raw, UnsetType) or bytes(raw) == b"null":
        return None
    counted = _DECODER.decode(raw)
    tokens, cached = counted.tokens, counted.cached_tokens
    if billed or tokens is None:
        tokens, cached = counted.billed_units, None
    units = counted.billed_units or _NOTHING
    images, queries = _count(units.images), _count(units.search_units)
    tokens = tokens or _NOTHING
    image = _count(tokens.image_tokens)
    prompt = _count(tokens.input_tokens)
    if image is not None and not billed:
        prompt = (prompt or 0) + image
    completion = _count(tokens.output_tokens)
    if prompt is None and completion is None and images is None and queries is None:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=_count(cached),
        prompt_image_tokens=image,
        reasoning_tokens=_count(tokens.reasoning_tokens),
        images=images,
        queries=queries,
        raw=raw.copy(),
    )


def _count(value: float | None) -> int | None:
    if value is None:
        return None
    if not math.isfinite(value) or not 0 <= value < 2**53:
        raise msgspec.ValidationError("A counter is no number of tokens.")
    return int(value)
