"""The OpenAPI document of the client API, generated from the operations' own types; knows no handler."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import ErrorBody
from schemas.models import Model, ModelList

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]
REF_TEMPLATE: Final = "#/components/schemas/{name}"
_ERROR_STATUSES: Final = ("400", "401", "403", "404", "408", "413", "415", "429", "500", "502", "503", "504")


class Endpoint(Struct, frozen=True, kw_only=True):
    """One documented endpoint. `request`, `response` and `chunk` are Struct types; `chunk` is a stream's item."""

    path: str
    method: str
    operation_id: str
    summary: str
    response: type | None = None
    request: type | None = None
    chunk: type | None = None
    path_params: tuple[str, ...] = ()
    authenticated: bool = True


def document(endpoints: Sequence[Endpoint], version: str) -> JsonObject:
    """Return the OpenAPI 3.1 document."""
    types: list[type] = [ErrorBody, Model, ModelList]
    for endpoint in endpoints:
        types += [kind for kind in (endpoint.request, endpoint.response, endpoint.chunk) if kind is not None]
    refs, components = msgspec.json.schema_components(tuple(types), ref_template=REF_TEMPLATE)
    by_type: dict[type, JsonObject] = dict(zip(types, refs, strict=True))
    paths: dict[str, JsonValue] = {}
    for endpoint in endpoints:
        operation: dict[str, JsonValue] = {endpoint.method: _operation(endpoint, by_type)}
        present = paths.setdefault(endpoint.path, {})
        if isinstance(present, dict):
            present.update(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aqueduct",
            "version": version,
            "description": "One OpenAI-format API to every model of an institution. Every path works with and "
            "without the prefix /v1.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(components),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint, by_type: dict[type, JsonObject]) -> JsonObject:
    operation: JsonObject = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "responses": _responses(endpoint, by_type),
    }
    if not endpoint.authenticated:
        operation["security"] = []
    if endpoint.request is not None:
        operation["requestBody"] = {"required": True, "content": _json(by_type[endpoint.request])}
    if endpoint.path_params:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in endpoint.path_params
        ]
    return operation


def _responses(endpoint: Endpoint, by_type: dict[type, JsonObject]) -> JsonObject:
    content: JsonObject = {}
    if endpoint.response is not None:
        content |= _json(by_type[endpoint.response])
    if endpoint.chunk is not None:
        content["text/event-stream"] = {"schema": by_type[endpoint.chunk]}
    success: JsonObject = {"description": "Success", "headers": _request_id_header()}
    if content:
        success["content"] = content
    failures: JsonObject = {}
    if endpoint.authenticated:
        failures = {
            status: {"description": "Error", "headers": _request_id_header(), "content": _json(by_type[ErrorBody])}
            for status in _ERROR_STATUSES
        }
    return {"200": success, **failures}


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}


def _request_id_header() -> JsonObject:
    return {"x-request-id": {"schema": {"type": "string", "format": "uuid"}}}
