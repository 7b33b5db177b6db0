"""`/schema`: the OpenAPI document of the client API."""

from typing import Final

import msgspec
from litestar import Response, get

import aqueduct
from aqueduct.api.chat import CHAT
from aqueduct.api.completions import COMPLETIONS
from aqueduct.api.embeddings import EMBEDDINGS
from aqueduct.api.me import Acceptance, Me, Validation
from aqueduct.api.openapi import Endpoint, document
from aqueduct.api.ordinary import JSON, AnyRequest, gateway_of
from aqueduct.api.requests import RequestExplained
from aqueduct.api.rerank import RERANK
from aqueduct.api.usage import UsageReport
from schemas.models import Model, ModelList

_OPERATIONS: Final = tuple(
    Endpoint(
        path=f"/v1{spec.path}",
        method="post",
        operation_id=f"create_{spec.name}",
        summary=spec.summary,
        request=spec.request_type,
        response=spec.body_type,
        chunk=spec.chunk_type,
    )
    for spec in (CHAT, COMPLETIONS, EMBEDDINGS, RERANK)
)
ENDPOINTS: Final = (
    *_OPERATIONS,
    Endpoint(
        path="/v1/models", method="get", operation_id="list_models", summary="List your models", response=ModelList
    ),
    Endpoint(
        path="/v1/models/{model}",
        method="get",
        operation_id="get_model",
        summary="Describe one model",
        response=Model,
        path_params=("model",),
    ),
    Endpoint(
        path="/v1/usage", method="get", operation_id="get_usage", summary="What you have used", response=UsageReport
    ),
    Endpoint(
        path="/v1/requests/{request_id}",
        method="get",
        operation_id="explain_request",
        summary="Explain one request of yours",
        response=RequestExplained,
        path_params=("request_id",),
    ),
    Endpoint(path="/v1/me", method="get", operation_id="get_me", summary="Who am I", response=Me),
    Endpoint(
        path="/v1/me/terms",
        method="post",
        operation_id="accept_terms",
        summary="Accept the terms of service",
        request=Acceptance,
        response=Acceptance,
    ),
    Endpoint(path="/validate", method="get", operation_id="validate", summary="Check a token", response=Validation),
    Endpoint(
        path="/validate",
        method="post",
        operation_id="validate_post",
        summary="Check a token",
        response=Validation,
    ),
    Endpoint(path="/health/live", method="get", operation_id="live", summary="Liveness probe", authenticated=False),
    Endpoint(path="/health/ready", method="get", operation_id="ready", summary="Readiness probe", authenticated=False),
    Endpoint(path="/metrics", method="get", operation_id="metrics", summary="Prometheus metrics", authenticated=False),
    Endpoint(path="/schema", method="get", operation_id="schema", summary="This document", authenticated=False),
)


def openapi_json() -> bytes:
    """Return the document as JSON, formatted for people and diffs."""
    return msgspec.json.format(msgspec.json.encode(document(ENDPOINTS, aqueduct.__version__)), indent=2)


_DOCUMENT: Final = openapi_json()


@get(["/schema", "/v1/schema", "/schema/openapi.json"], sync_to_thread=False, include_in_schema=False)
def schema(request: AnyRequest) -> Response[bytes]:
    """Serve the OpenAPI document."""
    request_id = gateway_of(request.scope).request_ids()
    return Response(_DOCUMENT, media_type=JSON, headers={"x-request-id": request_id})
