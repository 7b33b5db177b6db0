"""What ordinary (not hot) handlers share: the caller, JSON answers with a request id, errors in the one form."""

import logging
from typing import Final

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import Scope

from aqueduct.api.authentication import authenticate
from aqueduct.api.errors import WireError, encode_error, from_gateway, internal_error
from aqueduct.api.gateway import Gateway
from aqueduct.auth.principal import Principal
from aqueduct.errors import ErrorType, GatewayError
from aqueduct.server.head_and_options import allowing_head

AnyRequest = Request[object, object, State]
JSON: Final = "application/json"
MAX_SHOWN_PATH_CHARS: Final = 100
WHAT_THERE_IS: Final = "GET /schema lists what this gateway has."
logger = logging.getLogger("aqueduct.api")
_encode = msgspec.json.Encoder().encode


def gateway_of(scope: Scope) -> Gateway:
    """Return the gateway that the plugin put into the application's state."""
    gateway: Gateway = scope["litestar_app"].state.gateway
    return gateway


def request_id_header(request: AnyRequest) -> dict[str, str]:
    """Return the header that every answer has."""
    return {"x-request-id": gateway_of(request.scope).request_ids()}


def principal_of(request: AnyRequest) -> Principal:
    """Return the caller; raises `GatewayError` 401 or 403."""
    return authenticate(gateway_of(request.scope), request.scope["headers"])


def json_response(request: AnyRequest, body: object, status: int = 200) -> Response[bytes]:
    """Return a JSON answer."""
    return Response(_encode(body), status_code=status, media_type=JSON, headers=request_id_header(request))


def error_response(request: AnyRequest, wire: WireError) -> Response[bytes]:
    """Return an error in the one form."""
    headers = request_id_header(request) | {name.decode(): value.decode() for name, value in wire.headers()}
    return Response(encode_error(wire.body), status_code=wire.status, media_type=JSON, headers=headers)


def on_gateway_error(request: AnyRequest, error: GatewayError) -> Response[bytes]:
    """Tell a refusal of an ordinary handler."""
    return error_response(request, from_gateway(error))


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Tell what the framework itself refuses: an unknown path, a wrong method, an unusable parameter."""
    path = request.scope["path"][:MAX_SHOWN_PATH_CHARS]
    allow: str | None = None
    if isinstance(error, NotFoundException):
        status, code, message = 404, "unknown_url", f"Unknown request URL: {request.method} {path}. {WHAT_THERE_IS}"
    elif isinstance(error, MethodNotAllowedException):
        status, code, message = 405, "method_not_allowed", f"{request.method} is not allowed on {path}."
        allow = allowing_head((error.headers or {}).get("allow", ""))
    elif error.status_code < 500:
        status, code, message = error.status_code, "invalid_request", "The request cannot be understood."
    else:
        return on_defect(request, error)
    refusal = GatewayError(status, code, message, kind=ErrorType.CALLER_INVALID_REQUEST, allow=allow)
    return on_gateway_error(request, refusal)


def on_defect(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Tell a defect of the gateway without its details, which go to the log."""
    logger.error("request_failed", exc_info=error)
    return error_response(request, internal_error())
