"""Failures of Google's APIs (`google.rpc.Status`) to `ProviderError`; knows no retry policy.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting and https://google.aip.dev/193. A stream's error body
comes as a list of one.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response, is_context_overflow, kind_of_status
from adapters.exchange import Failure
from adapters.json_values import Json

JsonObject = Mapping[str, Json]

_STATUS_KINDS: Final = {
    "INVALID_ARGUMENT": ErrorKind.INVALID_REQUEST,
    "OUT_OF_RANGE": ErrorKind.INVALID_REQUEST,
    "FAILED_PRECONDITION": ErrorKind.SERVER_ERROR,  # billing or region of the account: not the caller's fault
    "UNAUTHENTICATED": ErrorKind.CREDENTIALS,
    "PERMISSION_DENIED": ErrorKind.CREDENTIALS,
    "NOT_FOUND": ErrorKind.MODEL_NOT_FOUND,
    "RESOURCE_EXHAUSTED": ErrorKind.RATE_LIMIT,
    "CANCELLED": ErrorKind.SERVER_ERROR,
    "ABORTED": ErrorKind.SERVER_ERROR,
    "UNKNOWN": ErrorKind.SERVER_ERROR,
    "INTERNAL": ErrorKind.SERVER_ERROR,
    "DATA_LOSS": ErrorKind.SERVER_ERROR,
    "UNIMPLEMENTED": ErrorKind.SERVER_ERROR,
    "UNAVAILABLE": ErrorKind.OVERLOADED,
    "DEADLINE_EXCEEDED": ErrorKind.TIMEOUT,
}
_KEY_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "BILLING_DISABLED"})
NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    return _build(_status_of(failure.body), failure)


def to_error_inside(body: bytes) -> ProviderError:
    """Return the error that arrived inside a 200; `body` is the `google.rpc.Status` or an object or list around it."""
    return _build(_status_of(body), None)


def unreadable(body: bytes) -> ProviderError:
    """Return the error of a 200 that is no answer: what it holds in one of Google's wrappings, else a bad response."""
    document = _first(_decode(body))
    is_error = isinstance(document, dict) and isinstance(document.get("error"), dict)
    return to_error_inside(body) if is_error else bad_response()


def _build(status: JsonObject, failure: Failure | None) -> ProviderError:
    message = _text(status.get("message")) or NO_DETAIL
    http_status = failure.status if failure is not None else _number(status.get("code"))
    name = _text(status.get("status"))
    details = _details(status)
    reason = next((text for detail in details if (text := _text(detail.get("reason")))), None)
    retry_after_s = _retry_delay_s(details)
    if retry_after_s is None and failure is not None:
        retry_after_s = failure.retry_after_s
    return ProviderError(
        _kind(http_status, name, reason, message),
        message,
        status=http_status,
        code=reason or name,
        retry_after_s=retry_after_s,
        upstream_request_id=failure.headers.get("x-request-id") if failure is not None else None,
    )


def _kind(http_status: int | None, name: str | None, reason: str | None, message: str) -> ErrorKind:
    if reason in _KEY_REASONS:
        return ErrorKind.CREDENTIALS
    if http_status == 413:
        return ErrorKind.REQUEST_TOO_LARGE
    kind = _STATUS_KINDS.get(name or "")
    if kind is None:
        kind = kind_of_status(http_status) if http_status is not None else ErrorKind.SERVER_ERROR
    if kind is ErrorKind.INVALID_REQUEST and is_context_overflow(None, message):
        return ErrorKind.CONTEXT_LENGTH
    return kind


def _details(status: JsonObject) -> list[JsonObject]:
    details = status.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _retry_delay_s(details: list[JsonObject]) -> float | None:
    """Seconds of `RetryInfo.retryDelay`: `7s`, `7.5s` or `{"seconds": 7, "nanos": 0}`."""
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, dict):
            return _seconds(delay.get("seconds") or 0, (_number(delay.get("nanos")) or 0) / 1e9)
        if isinstance(delay, str):
            return _seconds(delay.removesuffix("s"), 0.0)
    return None


def _seconds(value: Json, fraction: float) -> float | None:
    try:
        seconds = float(value) + fraction if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        return None
    return seconds if 0.0 <= seconds < 1e9 else None


def _status_of(body: bytes) -> JsonObject:
    document = _first(_decode(body))
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    return error if isinstance(error, dict) else {"message": error}


def _first(document: Json) -> Json:
    if not isinstance(document, list):
        return document
    return document[0] if document else None


def _decode(body: bytes) -> Json:
    try:
        document: Json = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    return document


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
