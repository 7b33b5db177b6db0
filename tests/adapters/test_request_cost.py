"""Large and hostile schemas cost each dialect time in proportion to their size: they must not stall the event loop."""

import json
import time

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.dialects import DIALECTS, asked

WIDTH = 20_000
BOUND_S = 1.5
"""Of CPU time, for twice what a client is promised in 50 ms on a free core; what grows with the square takes longer."""


def wide(*, required: bool) -> dict:
    names = [f"p{number}" for number in range(WIDTH)]
    schema = {"type": "object", "properties": {one: {"type": "string"} for one in names}, "additionalProperties": False}
    return {**schema, "required": names} if required else schema


def chain() -> dict:
    """Definitions that each refer to the next."""
    links = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(WIDTH)}
    links[f"d{WIDTH}"] = {"type": "string"}
    properties = {"a": {"$ref": "#/$defs/d0"}}
    return {
        "type": "object", "properties": properties, "required": ["a"], "additionalProperties": False, "$defs": links,
    }  # fmt: skip


def doubling() -> dict:
    """Objects of two types at every depth: written out they are 2 ** 40."""
    schema: dict = {"type": "string"}
    for _ in range(40):
        schema = {
            "type": ["object", "object"], "properties": {"a": schema}, "required": ["a"], "additionalProperties": False,
        }  # fmt: skip
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}


REFUSALS = {ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED_PARAMETER}
SCHEMAS = {"required": wide(required=True), "optional": wide(required=False), "chain": chain(), "doubling": doubling()}
PLACES = {
    "tool": lambda schema: {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]},
    "strict tool": lambda schema: {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}]
    },
    "format": lambda schema: {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    },
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_large_schema_is_translated_or_refused_in_time(dialect: str, schema: str) -> None:
    for place, written in PLACES.items():
        document = {"messages": [{"role": "user", "content": "Hi"}], **written(SCHEMAS[schema])}
        adapter, request, call = asked(dialect, document, json.dumps(DIALECTS[dialect][3]).encode())
        begun = time.process_time()
        refusal = None
        try:
            await adapter.chat(request, call)
        except ProviderError as error:
            refusal = error
        assert time.process_time() - begun < BOUND_S, place
        assert refusal is None or (refusal.kind in REFUSALS and refusal.param)
