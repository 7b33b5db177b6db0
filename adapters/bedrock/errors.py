"""Bedrock's failures to `ProviderError`; knows no retry policy.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and the errors of
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, checked 2026-11-24.
"""

from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import Failure
from schemas.bedrock.response import ErrorBody

_KINDS: Final = {
    "accessdenied": ErrorKind.CREDENTIALS,
    "expiredtoken": ErrorKind.CREDENTIALS,
    "incompletesignature": ErrorKind.CREDENTIALS,
    "invalidclienttokenid": ErrorKind.CREDENTIALS,
    "invalidsignature": ErrorKind.CREDENTIALS,
    "missingauthenticationtoken": ErrorKind.CREDENTIALS,
    "notauthorized": ErrorKind.CREDENTIALS,
    "optinrequired": ErrorKind.CREDENTIALS,
    "requestexpired": ErrorKind.CREDENTIALS,
    "signaturedoesnotmatch": ErrorKind.CREDENTIALS,
    "unrecognizedclient": ErrorKind.CREDENTIALS,
    "internalfailure": ErrorKind.SERVER_ERROR,
    "internalserver": ErrorKind.SERVER_ERROR,
    "modelerror": ErrorKind.SERVER_ERROR,
    "modelstreamerror": ErrorKind.SERVER_ERROR,
    "modelnotready": ErrorKind.OVERLOADED,
    "serviceunavailable": ErrorKind.OVERLOADED,
    "modeltimeout": ErrorKind.TIMEOUT,
    "requesttimeout": ErrorKind.TIMEOUT,
    "resourcenotfound": ErrorKind.MODEL_NOT_FOUND,
    "servicequotaexceeded": ErrorKind.RATE_LIMIT,
    "throttling": ErrorKind.RATE_LIMIT,
    "toomanyrequests": ErrorKind.RATE_LIMIT,
    "conflict": ErrorKind.SERVER_ERROR,
    "validation": ErrorKind.INVALID_REQUEST,
}
# Said under `ValidationException`, although the fault has a kind of its own.
_PHRASES: Final = (
    ("input is too long", ErrorKind.CONTEXT_LENGTH),
    ("too many input tokens", ErrorKind.CONTEXT_LENGTH),
    ("input tokens exceeded", ErrorKind.CONTEXT_LENGTH),
    ("model identifier is invalid", ErrorKind.MODEL_NOT_FOUND),
    ("on-demand throughput", ErrorKind.MODEL_NOT_FOUND),
    ("operation not allowed", ErrorKind.CREDENTIALS),
    ("blocked by content filtering policy", ErrorKind.CONTENT_POLICY),
)
_DECODER: Final = msgspec.json.Decoder(ErrorBody)
_NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success, and of one that only says so in its headers."""
    body = _decode(failure.body)
    code = _code(failure.headers.get("x-amzn-errortype") or body.type or "")
    return ProviderError(
        kind := _kind(code, _message(body), failure.status),
        _message(body),
        status=failure.status,
        code=code or None,
        param="messages" if kind is ErrorKind.CONTEXT_LENGTH else None,
        retry_after_s=failure.retry_after_s,
        upstream_request_id=failure.headers.get("x-amzn-requestid"),
    )


def to_error_inside(exception: str, payload: bytes, request_id: str | None) -> ProviderError:
    """Return the error of an exception event, which ends a stream."""
    body = _decode(payload)
    code = _code(exception)
    kind = _kind(code, _message(body), None)
    param = "messages" if kind is ErrorKind.CONTEXT_LENGTH else None
    return ProviderError(kind, _message(body), code=code or None, param=param, upstream_request_id=request_id)


def _decode(data: bytes) -> ErrorBody:
    try:
        return _DECODER.decode(data)
    except UNREADABLE:
        return ErrorBody()


def _message(body: ErrorBody) -> str:
    said = [text for text in (body.message or body.capital_message, body.original_message) if text]
    return " ".join(said) or _NO_DETAIL


def _code(text: str) -> str:
    """Cut `com.amazon.coral.service#ThrottlingException:http://...` down to the exception's name."""
    return text.partition(":")[0].rpartition("#")[2].strip()


def _kind(code: str, message: str, status: int | None) -> ErrorKind:
    kind = _KINDS.get(code.lower().removesuffix("exception"))
    if kind is None:
        kind = kind_of_status(status) if status is not None else ErrorKind.SERVER_ERROR
        if status is not None and 200 <= status < 300:
            kind = ErrorKind.SERVER_ERROR
        if status == 424:
            kind = ErrorKind.SERVER_ERROR
    if kind is not ErrorKind.INVALID_REQUEST:
        return kind
    if is_context_overflow(None, message):
        return ErrorKind.CONTEXT_LENGTH
    lowered = message.lower()
    return next((special for phrase, special in _PHRASES if phrase in lowered), kind)
