"""What a request consumed where the provider did not say so to the end: estimates from character counts."""

from typing import Final

import msgspec

from schemas.usage import Usage

CHARS_PER_TOKEN: Final = 3.2


def settled_usage(reported: Usage | None, *, finished: bool, prompt_chars: int, output_chars: int) -> Usage:
    """Return the meter vector to book for an answer that was begun.

    A finished answer is booked as the provider reported it. A broken one keeps the counters that were reported
    (`provider_partial`), with at least the delivered output. What nobody reported is `estimated` from characters,
    rounded up, so that something is never booked as nothing.
    """
    if reported is None:
        return Usage(prompt_tokens=_tokens(prompt_chars), completion_tokens=_tokens(output_chars), source="estimated")
    if finished:
        return reported
    prompt = reported.prompt_tokens if reported.prompt_tokens is not None else _tokens(prompt_chars)
    output = max(reported.completion_tokens or 0, _tokens(output_chars))
    return msgspec.structs.replace(reported, prompt_tokens=prompt, completion_tokens=output, source="provider_partial")


def _tokens(chars: int) -> int:
    return -int(-chars // CHARS_PER_TOKEN)
