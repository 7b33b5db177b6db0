"""Answers in a form: constrained decoding, a tool or an instruction, by model and schema."""

import pytest

from tests.adapters.anthropic.translate import PARAMETERS, TOOL, call, refused, sent, strict


def schema_format(schema: dict, **fields) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **fields}}


def test_json_schema_is_sent_as_output_format_with_its_constraints_described() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "Years"},
            "mail": {"type": "string", "format": "email", "pattern": "^(?=x)"},
            "pet": {"oneOf": [{"type": "string", "const": "cat"}, {"$ref": "#/$defs/Dog"}]},
            "nick": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["age"],
        "$defs": {"Dog": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    made = sent({"response_format": schema_format(schema)})["output_config"]["format"]
    assert made["type"] == "json_schema"
    assert made["schema"] == {
        "$defs": {"Dog": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}},
        "type": "object",
        "properties": {
            "age": {"description": 'Years\n\nConstraints: {"minimum":0}', "type": "integer"},
            "mail": {"type": "string", "format": "email", "description": 'Constraints: {"pattern":"^(?=x)"}'},
            "pet": {"anyOf": [{"const": "cat"}, {"$ref": "#/$defs/Dog"}]},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": 'Constraints: {"maxItems":3}',
            },
        },
        "required": ["age"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("model", "fields", "choice", "tools"),
    [
        ("claude-sonnet-4-0", {}, {"type": "tool", "name": "json_tool_call"}, ["json_tool_call"]),
        ("claude-sonnet-4-0", {"tools": [TOOL]}, {"type": "any"}, ["f", "json_tool_call"]),
        (
            "claude-sonnet-4-0",
            {"tools": [TOOL], "tool_choice": "none"},
            {"type": "tool", "name": "json_tool_call"},
            ["json_tool_call"],
        ),
        ("claude-sonnet-4-0", {"tools": [TOOL], "tool_choice": "required"}, {"type": "any"}, ["f"]),
    ],
)
def test_json_schema_on_older_models_is_answered_by_a_tool(
    model: str, fields: dict, choice: dict, tools: list[str]
) -> None:
    body = sent({"response_format": schema_format(PARAMETERS), **fields}, call(model))
    assert body["tool_choice"] == choice
    assert [tool["name"] for tool in body["tools"]] == tools
    assert "output_config" not in body


def test_json_schema_with_free_keys_is_answered_by_a_tool_where_constrained_decoding_cannot_hold_it() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = sent({"response_format": schema_format(schema)})
    assert body["tools"][0]["input_schema"] == schema
    assert refused({"response_format": schema_format({"type": "array", "items": True})}).param == (
        "response_format.json_schema.schema"
    )


def test_json_object_becomes_an_instruction() -> None:
    body = sent({"response_format": {"type": "json_object"}})
    assert "JSON object" in body["system"][-1]["text"]


def test_schema_of_hostile_depth_or_size_is_translated_or_refused() -> None:
    deep: dict = {"type": "object", "properties": {}}
    for _ in range(150):
        deep = {"type": "object", "properties": {"d": deep}, "required": ["d"]}
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10_000)}}
    for schema in (deep, wide):
        assert sent({"response_format": schema_format(schema)})["tools"][0]["name"] == "json_tool_call"
        assert "strict" not in sent({"tools": [strict(parameters=schema)]})["tools"][0]
