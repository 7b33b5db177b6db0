"""Cohere's failures to `ProviderError`; knows no retry policy.

A failure is `{"message": ...}`, at most with the request's id beside it: status and words decide. Source:
https://docs.cohere.com/v2/reference/errors, checked 2026-11-24.
"""

from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import Failure
from schemas.cohere import ErrorResponse

_KINDS: Final = {
    498: ErrorKind.CONTENT_POLICY,  # a deny-listed token in the request or the answer
    499: ErrorKind.CONNECTION,  # "cancelled by the client", although this one still waits
}
# Said with 400 or 422, although the request is not at fault everywhere or the fault has a kind of its own.
_PHRASES: Final = (
    ("blocked by our filters", ErrorKind.CONTENT_POLICY),
    ("is not supported by the", ErrorKind.MODEL_NOT_FOUND),
    ("not found, make sure the correct model id", ErrorKind.MODEL_NOT_FOUND),
)
_TOO_MANY: Final = "too many tokens"
_MOST_OUTPUT: Final = "max tokens must be less than"
_DECODER: Final = msgspec.json.Decoder(ErrorResponse)
_NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    try:
        body = _DECODER.decode(failure.body)
    except UNREADABLE:
        body = ErrorResponse()
    message = body.message or _NO_DETAIL
    kind = _kind(failure.status, message)
    return ProviderError(
        kind,
        message,
        status=failure.status,
        param=_param(kind, message),
        retry_after_s=failure.retry_after_s,
        upstream_request_id=failure.headers.get("x-debug-trace-id") or body.id,
    )


def to_error_inside(message: str | None) -> ProviderError:
    """Return the error that arrived inside a 200, as the body or as a stream event."""
    message = message or _NO_DETAIL
    kind = ErrorKind.CONTEXT_LENGTH if _is_too_long(message) else ErrorKind.SERVER_ERROR
    return ProviderError(kind, message, param=_param(kind, message))


def error_message(body: bytes) -> str | None:
    """Return what an error says, None where a JSON text is no error."""
    try:
        return _DECODER.decode(body).message
    except UNREADABLE:
        return None


def _kind(status: int, message: str) -> ErrorKind:
    kind = _KINDS.get(status) or kind_of_status(status)
    if kind is not ErrorKind.INVALID_REQUEST:
        return kind
    if _is_too_long(message):
        return ErrorKind.CONTEXT_LENGTH
    lowered = message.lower()
    return next((special for phrase, special in _PHRASES if phrase in lowered), kind)


def _is_too_long(message: str) -> bool:
    lowered = message.lower()
    if _TOO_MANY in lowered:
        return _MOST_OUTPUT not in lowered
    return is_context_overflow(None, message)


def _param(kind: ErrorKind, message: str) -> str | None:
    if kind is ErrorKind.CONTEXT_LENGTH:
        return "messages"
    is_output = kind is ErrorKind.INVALID_REQUEST and _MOST_OUTPUT in message.lower()
    return "max_completion_tokens" if is_output else None
