"""Ollama's failures to `ProviderError`; knows no retry policy.

A failure is `{"error": "text"}`, with an HTTP status or, once a stream has begun, as a line of it: status and words
decide, since the server answers 500 to much that is the request's fault, and its cloud 200 to a missing subscription.
Sources: https://github.com/ollama/ollama/blob/main/docs/api.md, recorded answers, and bodies as users reported them,
checked 2026-11-27.
"""

import re
from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import Failure
from schemas.ollama import ErrorResponse

_PHRASES: Final = (
    ("exceeded max context length", ErrorKind.CONTEXT_LENGTH),
    ("exceeds the context length", ErrorKind.CONTEXT_LENGTH),
    ("exceeds maximum context length", ErrorKind.CONTEXT_LENGTH),
    ("does not support", ErrorKind.UNSUPPORTED_PARAMETER),  # tools, thinking, chat, insert, image input
    ("missing data required for image input", ErrorKind.UNSUPPORTED_PARAMETER),
    ("image: unknown format", ErrorKind.INVALID_REQUEST),
    ("try pulling it first", ErrorKind.MODEL_NOT_FOUND),
    ("requires a subscription", ErrorKind.CREDENTIALS),
    ("usage limit", ErrorKind.RATE_LIMIT),  # of a session, an hour, a week
    ("server busy", ErrorKind.OVERLOADED),
    ("server overloaded", ErrorKind.OVERLOADED),
)
_REFERENCE: Final = re.compile(r"\(ref: ([0-9a-f-]{1,36})\)$")
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
        upstream_request_id=failure.headers.get("x-request-id") or _reference(message),
    )


def to_error_inside(message: str) -> ProviderError:
    """Return the error that arrived inside a 200, as the body or as a line of the stream."""
    kind = _kind(message, ErrorKind.SERVER_ERROR)
    return ProviderError(kind, message or NO_DETAIL, upstream_request_id=_reference(message))


def _reference(message: str) -> str | None:
    """Return the id of the request, which ollama.com puts behind its words."""
    found = _REFERENCE.search(message)
    return found[1] if found else None


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
