"""Mistral's failures to `ProviderError`: OpenAI's spellings, with codes and words of its own; knows no retry policy.

Source: https://docs.mistral.ai/api/ (HTTPValidationError), recorded answers and the words of public reports, checked
2026-11-26. A failure is `{"object":"error","message","type","code"}`, `{"message"}` or `{"detail"}`: a text, or a list
of validation errors whose `loc` is the path.
"""

from typing import Final

import msgspec
from msgspec import Struct

from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from adapters.exchange import Failure
from adapters.openai import errors as openai_errors

_PHRASES: Final = (
    ("maximum context length", ErrorKind.CONTEXT_LENGTH),
    ("not the same number of function calls and responses", ErrorKind.INVALID_TOOL_HISTORY),
    ("unexpected tool call id", ErrorKind.INVALID_TOOL_HISTORY),
    ("service tier capacity exceeded", ErrorKind.RATE_LIMIT),
)
_TYPES: Final = {"invalid_model": ErrorKind.MODEL_NOT_FOUND}


class _Invalid(Struct, frozen=True):
    """One validation error."""

    loc: list[int | str] = []


class _Body(Struct, frozen=True):
    """What the shared reading does not look at."""

    type: str | None = None
    detail: list[_Invalid] | str | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    error = openai_errors.to_error(failure)
    try:
        body = _DECODER.decode(failure.body)
    except UNREADABLE:
        body = _Body()
    lowered = error.message.lower() if error.code != "string_above_max_length" else ""
    kind = _TYPES.get(body.type or "") or next((kind for words, kind in _PHRASES if words in lowered), error.kind)
    return ProviderError(
        kind,
        error.message,
        status=error.status,
        code=error.code,
        param=_param(body) or error.param,
        retry_after_s=error.retry_after_s,
        upstream_request_id=failure.headers.get("mistral-correlation-id") or error.upstream_request_id,
    )


def _param(body: _Body) -> str | None:
    """Return the path of the first validation error: `["body", "messages", 0, "content"]` is `messages[0].content`."""
    if not isinstance(body.detail, list) or not body.detail:
        return None
    path = ""
    for step in body.detail[0].loc[1:]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or None
