"""The smallest instance follows its schema, whatever the schema, in bounded time."""

import json

import jsonschema_rs
import pytest

from adapters.echo.instance import MAX_VALUES, minimal_instance

TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["value", "next"],
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {}),
        ({"type": "string"}, "echo"),
        ({"type": "string", "minLength": 6, "maxLength": 6}, "echooo"),
        ({"type": "string", "maxLength": 2}, "ec"),
        ({"type": "string", "format": "date-time"}, "2000-01-01T00:00:00Z"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 0}, 1),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["null", "string"]}, "echo"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 42}, 42),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "items": {"type": "integer"}}, []),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "null"}}, "required": ["b"]}, {"b": None}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 0),
        (
            {"allOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 2}}, "required": ["b"]},
            ]},
            {"a": 1, "b": 2},
        ),
        ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"const": "found"}}}, "found"),
        (TREE, {"value": 0, "next": None}),
    ],
)  # fmt: skip
def test_instance_is_minimal_and_valid(schema: dict, expected: object) -> None:
    assert minimal_instance(schema) == expected
    jsonschema_rs.validate(schema, expected)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/missing"},
        {"allOf": [{"$ref": "#"}]},
        {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 100},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "items": {"type": "string", "minLength": 10**6}, "minItems": 10**9},
        {"type": 7, "required": "a", "properties": []},
        {"anyOf": [], "enum": [], "minimum": "x"},
        True,
        [],
        None,
    ],
)
def test_instance_of_a_hostile_schema_is_bounded(schema: object) -> None:
    assert len(json.dumps(minimal_instance(schema))) < 1000 * MAX_VALUES
