"""Ollama's failures to `ProviderError`; knows no retry policy.

A failure is `{"error": "text"}`, with an HTTP status or, once a stream has begun, as a line of it: status and words
decide. Source: https://github.com/ollama/ollama/blob/main/docs/api.md and recorded answers, checked 2026-11-26.
"""

from typing import Final

import msgspec

from adapters.errors import ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import UNREADABLE, Failure
from schemas.ollama import ErrorResponse

_PHRASES: Final = (
    ("exceeded max context length", ErrorKind.CONTEXT_LENGTH),
    ("exceeds the context length", ErrorKind.CONTEXT_LENGTH),
    ("exceeds maximum context length", ErrorKind.CONTEXT_LENGTH),
    ("does not support", ErrorKind.UNSUPPORTED_PARAMETER),  # tools, thinking, chat, insert
    ("try pulling it first", ErrorKind.MODEL_NOT_FOUND),
    ("server busy", ErrorKind.OVERLOADED),
)
_DECODER: Final = msgspec.json.Decoder(ErrorResponse)
NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    try:
        error = _DECODER.decode(failure.body).error
    except UNREADABLE:
        error = None
    message = _words(error)
    kind = kind_of_status(failure.status)
    if kind in {ErrorKind.INVALID_REQUEST, ErrorKind.SERVER_ERROR}:
        kind = _kind(message, kind)
    return ProviderError(
        kind,
        message,
        status=failure.status,
        retry_after_s=failure.retry_after_s,
        upstream_request_id=failure.headers.get("x-request-id"),
    )


def to_error_inside(message: str) -> ProviderError:
    """Return the error that arrived inside a 200, as the body or as a line of the stream."""
    return ProviderError(_kind(message, ErrorKind.SERVER_ERROR), message or NO_DETAIL)


def _words(error: str | dict[str, object] | None) -> str:
    if isinstance(error, dict):
        inner = error.get("message")
        error = inner if isinstance(inner, str) else None
    return error or NO_DETAIL


def _kind(message: str, otherwise: ErrorKind) -> ErrorKind:
    if is_context_overflow(None, message):
        return ErrorKind.CONTEXT_LENGTH
    lowered = message.lower()
    return next((kind for phrase, kind in _PHRASES if phrase in lowered), otherwise)
