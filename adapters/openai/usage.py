"""Usage of OpenAI-format servers; knows no price.

| `Usage`                      | from the provider's `usage` object                                                 |
|------------------------------|------------------------------------------------------------------------------------|
| prompt_tokens                | `prompt_tokens`                                                                    |
| completion_tokens            | `completion_tokens`; plus reasoning tokens where the total shows they are beside   |
|                              | it, and plus what the total has beyond both where no reasoning is reported         |
| cached_tokens                | `prompt_tokens_details.cached_tokens`, else `prompt_cache_hit_tokens` (DeepSeek),  |
|                              | `cached_tokens` (Together, Moonshot), `num_cached_tokens` (Mistral),               |
|                              | `cache_read_input_tokens`                                                          |
| cache_write_tokens           | `prompt_tokens_details.cache_write_tokens`, else `cache_creation_input_tokens`     |
| prompt_{audio,image,text}    | `prompt_tokens_details.{audio,image,text}_tokens`                                  |
| reasoning_tokens             | `completion_tokens_details.reasoning_tokens`, else `reasoning_tokens`              |
| completion_{audio,image,text} | `completion_tokens_details.{audio,image,text}_tokens`                             |
| {accepted,rejected}_prediction_tokens | the same in `completion_tokens_details`                                   |
| seconds                      | `prompt_audio_seconds` (Mistral)                                                   |
| queries                      | `num_search_queries` (Perplexity), else `num_sources_used` (xAI), else             |
|                              | `server_tool_use.web_search_requests` or the same in `server_tool_use_details`     |
|                              | (OpenRouter); OpenAI's own search models report nothing                            |

Every counter is optional; in a stream the last report of each counter wins, and reports are never summed.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from adapters.errors import UNREADABLE
from schemas.openai import (
    Number,
    PlainCompletionDetails,
    PlainPromptDetails,
    PlainUsage,
    WireCompletionDetails,
    WirePromptDetails,
    WireServerTools,
    WireUsage,
)
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireUsage)
_PLAIN: Final = msgspec.json.Decoder(PlainUsage)
_NO_PROMPT_DETAILS: Final = WirePromptDetails()
_NO_COMPLETION_DETAILS: Final = WireCompletionDetails()
_NO_PLAIN_PROMPT_DETAILS: Final = PlainPromptDetails()
_NO_PLAIN_COMPLETION_DETAILS: Final = PlainCompletionDetails()
MAX_COUNT: Final = 1 << 53
_UNIT: Final = msgspec.json.Decoder(int | float)
_SERVER_TOOLS: Final = msgspec.json.Decoder(WireServerTools)
_NULL: Final = Raw(b"null")
_REPORTED: Final = tuple(name for name in Usage.__struct_fields__ if name not in {"source", "raw"})


def to_usage(raw: Raw, service_tier: str | UnsetType | None = None) -> Usage | None:
    """Return the counters of a usage object, None where it is `null`, empty or no usage object at all.

    `service_tier` is what the answer or the item of a stream says that stands around it.
    """
    if raw == _NULL:
        return None
    try:
        text = bytes(raw).decode()
        try:
            return _of_plain(_PLAIN.decode(text), raw, service_tier)
        except msgspec.ValidationError:
            wire = _DECODER.decode(text)
    except UNREADABLE:
        return None
    prompt = wire.prompt_tokens_details or _NO_PROMPT_DETAILS
    completion = wire.completion_tokens_details or _NO_COMPLETION_DETAILS
    reasoning = _count(completion.reasoning_tokens)
    if reasoning is None:
        reasoning = _count(wire.reasoning_tokens)
    usage = Usage(
        prompt_tokens=_count(wire.prompt_tokens),
        completion_tokens=_with_reasoning(wire, reasoning),
        cached_tokens=_first(
            prompt.cached_tokens,
            wire.prompt_cache_hit_tokens,
            wire.cached_tokens,
            wire.num_cached_tokens,
            wire.cache_read_input_tokens,
        ),
        cache_write_tokens=_first(prompt.cache_write_tokens, wire.cache_creation_input_tokens),
        prompt_audio_tokens=_count(prompt.audio_tokens),
        prompt_image_tokens=_count(prompt.image_tokens),
        prompt_text_tokens=_count(prompt.text_tokens),
        reasoning_tokens=reasoning,
        completion_audio_tokens=_count(completion.audio_tokens),
        completion_image_tokens=_count(completion.image_tokens),
        completion_text_tokens=_count(completion.text_tokens),
        accepted_prediction_tokens=_count(completion.accepted_prediction_tokens),
        rejected_prediction_tokens=_count(completion.rejected_prediction_tokens),
        seconds=_unit(wire.prompt_audio_seconds),
        queries=_queries(wire),
        service_tier=service_tier or None,
        raw=raw.copy(),
    )
    return None if usage.prompt_tokens is None and usage.completion_tokens is None else usage


def _of_plain(wire: PlainUsage, raw: Raw, service_tier: str | UnsetType | None) -> Usage | None:
    """Return what `to_usage` would, at half the cost: the decoder itself finds out whether the counters are plain."""
    prompt_tokens, completion_tokens = wire.prompt_tokens, wire.completion_tokens
    if prompt_tokens is None and completion_tokens is None:
        return None
    if wire.prompt_tokens_details is None and wire.completion_tokens_details is None:
        return Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=_with_reasoning(wire, None),
            service_tier=service_tier or None,
            raw=raw.copy(),
        )
    prompt = wire.prompt_tokens_details or _NO_PLAIN_PROMPT_DETAILS
    completion = wire.completion_tokens_details or _NO_PLAIN_COMPLETION_DETAILS
    reasoning = completion.reasoning_tokens
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens if reasoning == 0 else _with_reasoning(wire, reasoning),
        cached_tokens=prompt.cached_tokens,
        cache_write_tokens=prompt.cache_write_tokens,
        prompt_audio_tokens=prompt.audio_tokens,
        prompt_image_tokens=prompt.image_tokens,
        prompt_text_tokens=prompt.text_tokens,
        reasoning_tokens=reasoning,
        completion_audio_tokens=completion.audio_tokens,
        completion_image_tokens=completion.image_tokens,
        completion_text_tokens=completion.text_tokens,
        accepted_prediction_tokens=completion.accepted_prediction_tokens,
        rejected_prediction_tokens=completion.rejected_prediction_tokens,
        service_tier=service_tier or None,
        raw=raw.copy(),
    )


def merge(before: Usage | None, after: Usage | None) -> Usage | None:
    """Return both reports of one stream as one: per counter the last one that is not None."""
    if before is None or after is None:
        return after or before
    missing = {
        name: value
        for name in _REPORTED
        if getattr(after, name) is None and (value := getattr(before, name)) is not None
    }
    return msgspec.structs.replace(after, **missing) if missing else after


def _first(*candidates: Number) -> int | None:
    for value in candidates:
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _count(value: Number) -> int | None:
    if value is None:
        return None
    if isinstance(value, int | float) and abs(value) < MAX_COUNT and value == int(value):
        return int(value)
    return None


def _queries(wire: WireUsage) -> int | None:
    if (
        wire.num_search_queries
        is wire.num_sources_used
        is wire.server_tool_use
        is wire.server_tool_use_details
        is UNSET
    ):
        return None
    for given in (wire.num_search_queries, wire.num_sources_used):
        if (found := _unit(given)) is not None:
            return found
    for tools in (wire.server_tool_use, wire.server_tool_use_details):
        if not isinstance(tools, UnsetType):
            try:
                found = _count(_SERVER_TOOLS.decode(tools).web_search_requests)
            except UNREADABLE:
                continue
            if found is not None:
                return found
    return None


def _unit(given: Raw | UnsetType) -> int | None:
    """Return a count of units, None where it is none: what stands beside the tokens must not spoil them."""
    if isinstance(given, UnsetType):
        return None
    try:
        return _count(_UNIT.decode(given))
    except UNREADABLE:
        return None


def _with_reasoning(wire: WireUsage | PlainUsage, reasoning: int | None) -> int | None:
    """Some count reasoning beside the completion; the total gives them away.

    xAI says how much it is, Google's OpenAI-format endpoint does not: there only the total knows of it.
    """
    completion = _count(wire.completion_tokens)
    if reasoning == 0 or completion is None or completion < 0:
        return completion
    prompt, total = _count(wire.prompt_tokens), _count(wire.total_tokens)
    if prompt is None or total is None:
        return completion
    beside = total - prompt - completion
    return completion + beside if beside > 0 and reasoning in {None, beside} else completion
