"""Anthropic's failures to `ProviderError`; knows no retry policy.

Source: https://platform.claude.com/docs/en/api/errors, checked 2026-11-24.
"""

import re
from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import Failure
from schemas.anthropic.response import ErrorDetail, ErrorResponse

_KINDS: Final = {
    "invalid_request_error": ErrorKind.INVALID_REQUEST,
    "authentication_error": ErrorKind.CREDENTIALS,
    "billing_error": ErrorKind.CREDENTIALS,
    "permission_error": ErrorKind.CREDENTIALS,
    "not_found_error": ErrorKind.MODEL_NOT_FOUND,
    "request_too_large": ErrorKind.REQUEST_TOO_LARGE,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "api_error": ErrorKind.SERVER_ERROR,
    "timeout_error": ErrorKind.TIMEOUT,
    "overloaded_error": ErrorKind.OVERLOADED,
}
# Said under `invalid_request_error`, although the request is not at fault or the fault has a kind of its own.
_PHRASES: Final = (
    ("credit balance is too low", ErrorKind.CREDENTIALS),
    ("organization has been disabled", ErrorKind.CREDENTIALS),
    ("reached your specified api usage limits", ErrorKind.CREDENTIALS),
    ("blocked by content filtering policy", ErrorKind.CONTENT_POLICY),
)
_LONG_PROMPT: Final = "required for long context requests"  # said as if it were a limit that passes
_PARAMS: Final = {
    "messages": "messages",
    "system": "messages",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "max_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
    "thinking": "reasoning_effort",
    "output_config": "response_format",
    "service_tier": "service_tier",
}
_PATH: Final = re.compile(r"([a-z_]+)(?:\.[\w.]+)?: ")
_DECODER: Final = msgspec.json.Decoder(ErrorResponse)
_NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    try:
        body = _DECODER.decode(failure.body)
    except UNREADABLE:
        body = ErrorResponse()
    detail = body.error or ErrorDetail()
    return _build(detail, body.request_id or failure.headers.get("request-id"), failure)


def to_error_inside(detail: ErrorDetail | None, request_id: str | None = None) -> ProviderError:
    """Return the error that arrived inside a 200, as the body or as a stream event."""
    return _build(detail or ErrorDetail(), request_id, None)


def _build(detail: ErrorDetail, request_id: str | None, failure: Failure | None) -> ProviderError:
    message = detail.message or _NO_DETAIL
    kind = _kind(detail, message, failure)
    path = _PATH.match(message) if kind is ErrorKind.INVALID_REQUEST else None
    return ProviderError(
        kind,
        message,
        status=failure.status if failure is not None else None,
        code=detail.type,
        param="messages" if kind is ErrorKind.CONTEXT_LENGTH else _PARAMS.get(path[1]) if path else None,
        retry_after_s=failure.retry_after_s if failure is not None else None,
        upstream_request_id=request_id,
    )


def _kind(detail: ErrorDetail, message: str, failure: Failure | None) -> ErrorKind:
    kind = _KINDS.get(detail.type or "")
    if kind is None:
        kind = kind_of_status(failure.status) if failure is not None else ErrorKind.SERVER_ERROR
    if kind is ErrorKind.RATE_LIMIT and _LONG_PROMPT in message:
        return ErrorKind.CONTEXT_LENGTH
    if kind is not ErrorKind.INVALID_REQUEST:
        return kind
    if is_context_overflow(detail.type, message):
        return ErrorKind.CONTEXT_LENGTH
    lowered = message.lower()
    return next((special for phrase, special in _PHRASES if phrase in lowered), kind)
