"""The one exception of the gateway's own stages; knows no HTTP body.

GatewayError
    status     HTTP status for the client
    type       OpenAI error type, for example `invalid_request_error`
    code       slug, for example `model_not_found`
    message    for the client: names the field and what to do
    param      JSON path of the offending field
    allow      the methods that the path takes, for a 405
    is_final   trying again is of no use although the status says otherwise
    kind       closed vocabulary by fault domain, for metrics and the usage row (`ErrorType`)
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from adapters.errors import ErrorKind

_SHOWN_CHARS: Final = 100


class ErrorType(StrEnum):
    """Why a request or an attempt failed, by whose fault it is: in metrics, usage rows and attempts."""

    CALLER_UNAUTHENTICATED = "caller_unauthenticated"
    CALLER_INVALID_REQUEST = "caller_invalid_request"
    CALLER_MODEL_NOT_FOUND = "caller_model_not_found"
    CALLER_DISCONNECTED = "caller_disconnected"
    POLICY_DENIED = "policy_denied"
    POLICY_RATE_LIMIT = "policy_rate_limit"
    POLICY_BUDGET = "policy_budget"
    PROVIDER_CONTENT_POLICY = "provider_content_policy"
    PROVIDER_CREDENTIALS = "provider_credentials"
    PROVIDER_MODEL_NOT_FOUND = "provider_model_not_found"
    PROVIDER_RATE_LIMIT = "provider_rate_limit"
    PROVIDER_OVERLOADED = "provider_overloaded"
    PROVIDER_TIMEOUT = "provider_timeout"
    PROVIDER_CONNECTION = "provider_connection"
    PROVIDER_BAD_RESPONSE = "provider_bad_response"
    PROVIDER_ERROR = "provider_error"
    GATEWAY_OVERLOADED = "gateway_overloaded"
    GATEWAY_LIMITS_UNAVAILABLE = "gateway_limits_unavailable"
    GATEWAY_SHUTDOWN = "gateway_shutdown"
    OTHER = "_OTHER"


PROVIDER_ERROR_TYPES: Final[Mapping[ErrorKind, ErrorType]] = {
    ErrorKind.INVALID_REQUEST: ErrorType.CALLER_INVALID_REQUEST,
    ErrorKind.INVALID_TOOL_HISTORY: ErrorType.CALLER_INVALID_REQUEST,
    ErrorKind.UNSUPPORTED_PARAMETER: ErrorType.CALLER_INVALID_REQUEST,
    ErrorKind.CONTEXT_LENGTH: ErrorType.CALLER_INVALID_REQUEST,
    ErrorKind.CONTENT_POLICY: ErrorType.PROVIDER_CONTENT_POLICY,
    ErrorKind.REQUEST_TOO_LARGE: ErrorType.CALLER_INVALID_REQUEST,
    ErrorKind.MODEL_NOT_FOUND: ErrorType.PROVIDER_MODEL_NOT_FOUND,
    ErrorKind.CREDENTIALS: ErrorType.PROVIDER_CREDENTIALS,
    ErrorKind.RATE_LIMIT: ErrorType.PROVIDER_RATE_LIMIT,
    ErrorKind.OVERLOADED: ErrorType.PROVIDER_OVERLOADED,
    ErrorKind.SERVER_ERROR: ErrorType.PROVIDER_ERROR,
    ErrorKind.BAD_RESPONSE: ErrorType.PROVIDER_BAD_RESPONSE,
    ErrorKind.CONNECTION: ErrorType.PROVIDER_CONNECTION,
    ErrorKind.TIMEOUT: ErrorType.PROVIDER_TIMEOUT,
}
"""The kinds of failure that adapters tell, in the words of metrics and usage rows."""


class GatewayError(Exception):
    """A refusal or failure that a client may see as it is."""

    def __init__(  # noqa: PLR0913 - the fields of one flat value
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: ErrorType,
        error_type: str = "invalid_request_error",
        param: str | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.error_type = error_type
        self.param = param
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.allow = allow


def shown(name: str) -> str:
    """Return a name from a client as messages may repeat it: bounded."""
    return name if len(name) <= _SHOWN_CHARS else name[:_SHOWN_CHARS] + "…"


def invalid_request(code: str, message: str, param: str | None = None) -> GatewayError:
    """Return a 400 that is the caller's to mend."""
    return GatewayError(400, code, message, kind=ErrorType.CALLER_INVALID_REQUEST, param=param)


def model_not_found(model: str) -> GatewayError:
    """Return the 404 for a model that does not exist or that the caller may not use: the two look alike on purpose."""
    return GatewayError(
        404,
        "model_not_found",
        f"The model '{shown(model)}' does not exist or you do not have access to it."
        " GET /v1/models lists what you may use.",
        kind=ErrorType.CALLER_MODEL_NOT_FOUND,
        param="model",
    )


def terms_required() -> GatewayError:
    """Return the 403 for a user who has not accepted the organisation's terms of service."""
    return GatewayError(
        403,
        "terms_required",
        "Accept your organisation's terms of service first: GET /v1/me names their version, and POST /v1/me/terms with"
        ' {"version": "..."} accepts it.',
        kind=ErrorType.POLICY_DENIED,
        error_type="permission_error",
    )


def unavailable(
    code: str, message: str, retry_after_s: float, kind: ErrorType = ErrorType.GATEWAY_OVERLOADED
) -> GatewayError:
    """Return a 503 of the gateway itself: the request is not at fault, and may be sent again after `retry_after_s`."""
    return GatewayError(503, code, message, kind=kind, error_type="server_error", retry_after_s=retry_after_s)


def shutting_down() -> GatewayError:
    """Return the 503 for a request that the server's end cuts off."""
    message = "The gateway is shutting down. Send the request again."
    return unavailable("gateway_shutdown", message, 1.0, ErrorType.GATEWAY_SHUTDOWN)


def reports_unavailable() -> GatewayError:
    """Return the 503 for a report while the database is out of reach or busy."""
    return unavailable("reports_unavailable", "Usage cannot be read right now. Try again later.", 5.0)


def terms_unavailable() -> GatewayError:
    """Return the 503 for an acceptance of terms while the database is out of reach or busy."""
    return unavailable("terms_unavailable", "Your acceptance cannot be noted right now. Try again later.", 5.0)


def overloaded() -> GatewayError:
    """Return the 503 for a request that is not even begun."""
    return unavailable("gateway_overloaded", "The gateway takes no new requests right now. Try again later.", 1.0)
