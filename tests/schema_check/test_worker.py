"""What the checking process says of schemas and answers; hostile schemas included."""

import json

import pytest

from aqueduct.schema_check.worker import verdict

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 2}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


def said(schema: object, text: str) -> str:
    return verdict(json.dumps(schema).encode(), text.encode())


@pytest.mark.parametrize("text", ['{"name": "Ada"}', ' {"name":"Ada","age":36}\n'])
def test_answer_that_follows_the_schema_is_valid(text: str) -> None:
    assert said(PERSON, text) == "valid"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Here you are: {}", "not valid JSON"),
        ("", "not valid JSON"),
        ('{"name": "Ada", "age": NaN}', "not valid JSON"),
        ('{"name": "Ada", "age": -Infinity}', "not valid JSON"),
        ('{"name": "A"}', "At /name:"),
        ('{"name": "Ada", "age": -1}', "At /age:"),
        ('{"name": "Ada", "more": 1}', "more"),
        ("[]", "At /:"),
    ],
)
def test_answer_that_does_not_follow_the_schema_is_invalid_with_its_place(text: str, reason: str) -> None:
    found = said(PERSON, text)
    assert found.startswith("invalid ")
    assert reason in found
    assert "\n" not in found


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5_000])
@pytest.mark.parametrize("type_", ["number", "string"])
def test_number_that_is_too_large_to_read_is_no_fault_of_the_answer(number: str, type_: str) -> None:
    assert said({"type": type_}, number) == "unknown"


@pytest.mark.parametrize("number", ["1.5e300", "-0.25", "1" * 400])
def test_large_number_is_held_against_the_schema(number: str) -> None:
    assert said({"type": "number"}, number) == "valid"
    assert said({"type": "string"}, number).startswith("invalid ")


def test_reason_is_bounded_and_one_line() -> None:
    found = said({"const": "x"}, json.dumps("long\n" * 10_000))
    assert len(found) <= 300
    assert "\n" not in found


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "http://127.0.0.1:1/meta"},
        {"type": 7},
        {"pattern": "(?=a)b"},
        {"pattern": "(a{1000}){1000}"},
        {"pattern": "["},
        7,
    ],
)
def test_schema_that_cannot_be_checked_here_gives_no_verdict(schema: object) -> None:
    assert said(schema, '"a"') == "unknown"


def test_pattern_that_would_backtrack_without_end_is_answered() -> None:
    assert said({"pattern": "^(a+)+$"}, json.dumps("a" * 50_000 + "b")).startswith("invalid ")


def test_recursive_schema_is_checked() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}
    assert said(tree, '{"child": {"child": {}}}') == "valid"
    assert said(tree, '{"child": {"other": {}}}').startswith("invalid ")


def test_nesting_without_end_gives_no_verdict_or_a_refusal() -> None:
    assert said({"type": "object"}, "[" * 200_000) != "valid"
    assert verdict(b'{"not":' * 100_000, b"1") == "unknown"
