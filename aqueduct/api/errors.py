"""The only place that knows how failures look on the wire: status, headers and the one body of `schemas.errors`."""

import math
import re
from typing import Final

import msgspec
from msgspec import Struct

from adapters.errors import ErrorKind, ProviderError
from aqueduct.errors import PROVIDER_ERROR_TYPES, ErrorType, GatewayError
from schemas.errors import ErrorBody, ErrorDetail

Headers = list[tuple[bytes, bytes]]
UNAUTHORIZED: Final = 401
encode_error: Final = msgspec.json.Encoder().encode


class WireError(Struct, frozen=True, kw_only=True):
    """A failure as the client sees it, and its kind as metrics and usage rows see it."""

    status: int
    body: ErrorBody
    kind: ErrorType
    retry_after_s: float | None = None
    is_final: bool = False
    """Whether trying again is of no use although the status says otherwise."""
    allow: str | None = None

    def headers(self) -> Headers:
        """Return the headers that tell SDKs when, and whether, to try again, and those that HTTP asks for."""
        headers: Headers = [(b"x-should-retry", b"false")] if self.is_final else []
        if self.status == UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.allow is not None:
            headers.append((b"allow", self.allow.encode()))
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after_s))))
            headers.append((b"retry-after-ms", b"%d" % max(1, math.ceil(self.retry_after_s * 1000))))
        return headers


class _Row(Struct, frozen=True):
    """How a provider's failure of one kind is told. `message` None: the provider's own, redacted words."""

    status: int
    type: str
    code: str
    message: str | None = None
    param: str | None = None
    retry_after_s: float | None = None


DEFAULT_RETRY_AFTER_S: Final = 5.0
"""Where a provider that is limited or overloaded does not say how long: what a cooldown lasts at least."""
_SLUG: Final = re.compile(r"(?!invalid_request_error)[a-z][a-z0-9_]{2,63}")
"""Codes in OpenAI's form; other providers' own would make the answer depend on who served it."""
_INVALID = "invalid_request_error"
_ROWS: Final[dict[ErrorKind, _Row]] = {
    ErrorKind.INVALID_REQUEST: _Row(400, _INVALID, "invalid_request"),
    ErrorKind.INVALID_TOOL_HISTORY: _Row(400, _INVALID, "invalid_tool_history"),
    ErrorKind.UNSUPPORTED_PARAMETER: _Row(400, _INVALID, "unsupported_parameter"),
    ErrorKind.CONTEXT_LENGTH: _Row(400, _INVALID, "context_length_exceeded", param="messages"),
    ErrorKind.CONTENT_POLICY: _Row(400, _INVALID, "content_policy_violation"),
    ErrorKind.REQUEST_TOO_LARGE: _Row(413, _INVALID, "request_too_large"),
    ErrorKind.MODEL_NOT_FOUND: _Row(
        404,
        _INVALID,
        "model_not_found",
        "The provider does not know this model. Tell your administrator.",
        "model",
    ),
    ErrorKind.CREDENTIALS: _Row(
        502,
        "server_error",
        "upstream_credentials",
        "The gateway's own access to the provider was refused. Your API key is fine; tell your administrator.",
    ),
    ErrorKind.RATE_LIMIT: _Row(
        429,
        "rate_limit_error",
        "upstream_rate_limited",
        "The provider is limiting the gateway's requests. Try again later.",
        retry_after_s=DEFAULT_RETRY_AFTER_S,
    ),
    ErrorKind.OVERLOADED: _Row(
        503,
        "server_error",
        "upstream_overloaded",
        "The provider is overloaded. Try again later.",
        retry_after_s=DEFAULT_RETRY_AFTER_S,
    ),
    ErrorKind.SERVER_ERROR: _Row(502, "server_error", "upstream_error", "The provider failed to answer."),
    ErrorKind.BAD_RESPONSE: _Row(
        502,
        "server_error",
        "upstream_error",
        "The provider sent an answer that is not what its API promises.",
    ),
    ErrorKind.CONNECTION: _Row(502, "server_error", "upstream_error", "The provider could not be reached."),
    ErrorKind.TIMEOUT: _Row(504, "server_error", "upstream_timeout", "The provider did not answer in time."),
}


def from_provider(error: ProviderError) -> WireError:
    """Return how a provider's failure is told. What is not the caller's to mend is told in our own words."""
    row = _ROWS[error.kind]
    code = row.code
    if error.kind is ErrorKind.CONTENT_POLICY and error.code == "content_filter":
        code = "content_filter"
    elif error.kind is ErrorKind.INVALID_REQUEST and error.code and _SLUG.fullmatch(error.code):
        code = error.code
    detail = ErrorDetail(message=row.message or error.message, type=row.type, param=error.param or row.param, code=code)
    if error.filtered is not None:
        detail.innererror = error.filtered
    return WireError(
        status=row.status,
        body=ErrorBody(error=detail),
        kind=PROVIDER_ERROR_TYPES[error.kind],
        retry_after_s=row.retry_after_s if error.retry_after_s is None else error.retry_after_s,
        is_final=error.kind is ErrorKind.CREDENTIALS,
    )


def from_gateway(error: GatewayError) -> WireError:
    """Return how a refusal of the gateway's own is told."""
    detail = ErrorDetail(message=error.message, type=error.error_type, param=error.param, code=error.code)
    return WireError(
        status=error.status,
        body=ErrorBody(error=detail),
        kind=error.kind,
        retry_after_s=error.retry_after_s,
        is_final=error.is_final,
        allow=error.allow,
    )


def internal_error() -> WireError:
    """Return how a defect of the gateway is told."""
    detail = ErrorDetail(
        message="The gateway failed. Tell your administrator the request id.",
        type="server_error",
        code="internal_error",
    )
    return WireError(status=500, body=ErrorBody(error=detail), kind=ErrorType.OTHER)
