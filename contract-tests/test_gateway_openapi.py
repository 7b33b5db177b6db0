"""The OpenAPI document: read in review as a golden file, valid, and met by what the official client sends."""

import json
import re

import jsonschema_rs
import openai
import schemathesis
from gateway_fixtures import Mocks
from litestar.routes import HTTPRoute
from raw_http import ask, request_bytes
from running_gateway import TOKEN, RunningGateway

from aqueduct.api.schema import openapi_json
from tests.golden import Golden

HOT = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank")
"""Served before the router."""


def test_openapi_document_is_the_golden_one(golden: Golden) -> None:
    docs = golden.folder.parent.parent / "docs"

    Golden(docs, write=golden.write).check("openapi.json", openapi_json().decode() + "\n")


def test_openapi_document_describes_every_route_and_method_that_is_served(gateway: RunningGateway) -> None:
    described = {
        (re.sub(r"{.*}", "{}", path.removeprefix("/v1")), method.upper())
        for path, operations in json.loads(openapi_json())["paths"].items()
        for method in operations
    }
    hot = {(path.removeprefix("/v1"), "POST") for path in HOT}
    routes = [route for route in gateway.app.routes if isinstance(route, HTTPRoute)]
    served = {
        (re.sub(r"{.*}", "{}", route.path_format.removeprefix("/v1")), method)
        for route in routes
        for method in route.methods
        if method not in {"HEAD", "OPTIONS"}
    }
    aliases = {("/schema/openapi.json", "GET")}
    assert served | hot == described | aliases


def test_openapi_document_is_served_and_loads(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, request_bytes("/schema", method="GET"))

    document = answer.json()
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_what_the_official_client_sends_meets_the_document(gateway: RunningGateway, mocks: Mocks) -> None:
    document = json.loads(openapi_json())
    schema = {"$ref": "#/components/schemas/ChatRequest", "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        client.chat.completions.create(
            model="gpt",
            messages=[{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "y"}]}],
            tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            temperature=0.1,
            max_completion_tokens=5,
        )

    # the OpenAI adapter passes the client's fields on, so that its request shows what was sent
    assert list(validator.iter_errors(mocks.openai.ledger[0].call.body)) == []
