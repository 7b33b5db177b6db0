"""What a request consumed where the provider did not say so to the end: estimates from character counts."""

import math
from typing import Final

import msgspec

from aqueduct.limits.estimate import CHARS_PER_TOKEN
from schemas.usage import UNITS, Usage


def text_chars(text: str) -> int:
    """Return the characters of a text; beyond ASCII, what comes to two UTF-8 bytes a token."""
    if text.isascii():
        return len(text)
    wide = "".join(char for char in text if not char.isascii())
    return len(text) - len(wide) + math.ceil(len(wide.encode("utf-8", "replace")) / 2 * CHARS_PER_TOKEN)


def chars_of(items: str | list[str | int | list[int]] | None) -> int:
    """Return the characters of a prompt or input; a token counts as `CHARS_PER_TOKEN`, rounded up."""
    if items is None or isinstance(items, str):
        return text_chars(items or "")
    texts = sum(text_chars(item) for item in items if isinstance(item, str))
    tokens = sum(len(item) if isinstance(item, list) else 1 for item in items if not isinstance(item, str))
    return texts + math.ceil(tokens * CHARS_PER_TOKEN)


def settled_usage(reported: Usage | None, *, finished: bool, prompt_chars: int, output_chars: int) -> Usage:
    """Return the meter vector to book for an answer that was begun.

    A finished answer is booked as the provider reported it. A broken one keeps the counters that were reported
    (`provider_partial`), with at least the delivered output. What nobody reported is estimated from characters,
    rounded up, so that something is never booked as nothing: `estimated` where nothing was reported, else
    `provider_partial`. An estimate is never below the details that were reported.
    """
    if reported is None or (reported.prompt_tokens is None and reported.completion_tokens is None):
        source = "estimated" if reported is None or not _has_details(reported) else "provider_partial"
        return msgspec.structs.replace(
            reported or Usage(),
            prompt_tokens=_at_least(reported, _PROMPT_PARTS, prompt_chars),
            completion_tokens=_at_least(reported, _COMPLETION_PARTS, output_chars),
            source=source,
        )
    prompt, output = reported.prompt_tokens, reported.completion_tokens
    if prompt is None and prompt_chars:
        prompt = _at_least(reported, _PROMPT_PARTS, prompt_chars)
    if output_chars and (output is None or not finished):
        output = max(output or 0, _at_least(reported, _COMPLETION_PARTS, output_chars))
    if finished and (prompt, output) == (reported.prompt_tokens, reported.completion_tokens):
        return reported
    return msgspec.structs.replace(reported, prompt_tokens=prompt, completion_tokens=output, source="provider_partial")


def _has_details(usage: Usage) -> bool:
    groups = (*_PROMPT_PARTS, *_COMPLETION_PARTS, UNITS)
    return any(getattr(usage, name) for group in groups for name in group)


def _at_least(usage: Usage | None, parts: tuple[tuple[str, ...], ...], chars: int) -> int:
    """Return the estimate, or what the reported details come to; each of `parts` sums up within the total."""
    estimate = _tokens(chars)
    if usage is None:
        return estimate
    return max(estimate, *(sum(getattr(usage, name) or 0 for name in group) for group in parts))


_PROMPT_PARTS: Final = (
    ("cached_tokens", "cache_write_tokens"),
    ("cache_write_1h_tokens",),
    ("prompt_audio_tokens",),
    ("prompt_image_tokens",),
    ("prompt_text_tokens",),
    ("prompt_tool_tokens",),
)
_COMPLETION_PARTS: Final = (
    ("reasoning_tokens",),
    ("completion_audio_tokens",),
    ("completion_image_tokens",),
    ("completion_text_tokens",),
    ("accepted_prediction_tokens",),
    ("rejected_prediction_tokens",),
)


def _tokens(chars: int) -> int:
    return -int(-chars // CHARS_PER_TOKEN)
