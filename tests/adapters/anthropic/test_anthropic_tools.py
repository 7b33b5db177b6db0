"""Tools and their choice as the provider takes them, and what is reported as lost."""

import json

import pytest

from adapters.errors import ErrorKind
from tests.adapters.anthropic.translate import PARAMETERS, TOOL, call, dropped, refused, sent, strict, translation

OTHER = {"type": "function", "function": {"name": "g"}}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_tool_choice_of_every_form(fields: dict, choice: dict | None) -> None:
    assert sent({"tools": [TOOL, OTHER], **fields}).get("tool_choice") == choice


def test_tool_choice_of_allowed_tools_sends_only_those() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    body = sent({"tools": [TOOL, OTHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}})
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "any"}


def test_tool_choice_that_the_model_cannot_keep_is_refused() -> None:
    fields = {"tools": [TOOL], "tool_choice": "required"}
    error = refused(fields, model="claude-opus-5-5")
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "tool_choice")
    assert refused({"tool_choice": "required"}).kind is ErrorKind.INVALID_REQUEST


def test_tool_names_that_are_illegal_or_taken_are_rewritten_with_a_way_back() -> None:
    names = ["files/read", "files_read", "web_search", "json_tool_call", "ü" * 200, "plain"]
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    made = translation({"tools": tools})
    upstream = [tool.name for tool in made.body.tools]
    assert len(set(upstream)) == len(names)
    assert [made.names.original(name) for name in upstream] == names
    assert upstream[1] == "files_read"
    assert upstream[-1] == "plain"
    sent({"tools": tools})


def test_tool_schema_is_kept_byte_for_byte_where_it_is_legal() -> None:
    raw = '{"type": "object",  "$defs": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}'
    tool = {"type": "function", "function": {"name": "f", "parameters": json.loads(raw)}}
    assert sent({"tools": [tool]})["tools"][0]["input_schema"] == json.loads(raw)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object"}),
        ({"properties": {}}, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"$ref": "#/$defs/A", "$defs": {"A": PARAMETERS}}, {"$defs": {"A": PARAMETERS}, **PARAMETERS}),
    ],
)
def test_tool_schema_gets_an_object_root(parameters: dict | None, expected: dict) -> None:
    function = {"name": "f"} if parameters is None else {"name": "f", "parameters": parameters}
    assert sent({"tools": [{"type": "function", "function": function}]})["tools"][0]["input_schema"] == expected


@pytest.mark.parametrize(
    "parameters",
    [{"type": "string"}, True, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, {"$ref": "https://x"}],
)
def test_tool_schema_that_is_no_object_is_refused_with_its_path(parameters: object) -> None:
    error = refused({"tools": [OTHER, {"type": "function", "function": {"name": "f", "parameters": parameters}}]})
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "tools[1].function.parameters")


def test_strict_tool_is_sent_closed_and_strict() -> None:
    tool = sent({"tools": [strict()]})["tools"][0]
    assert tool["strict"] is True
    assert tool["input_schema"] == {**PARAMETERS, "additionalProperties": False}


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("claude-sonnet-4-0", PARAMETERS),
        ("claude-sonnet-4-5", {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(25)}}),
        ("claude-sonnet-4-5", {"type": "object", "additionalProperties": {"type": "string"}}),
        (
            "claude-sonnet-4-5",
            {
                "type": "object",
                "properties": {"n": {"$ref": "#/$defs/N"}},
                "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
            },
        ),
    ],
)
def test_strict_tool_that_cannot_be_compiled_is_sent_as_it_is_and_reported(model: str, parameters: dict) -> None:
    fields = {"tools": [strict(parameters=parameters)]}
    tool = sent(fields, call(model))["tools"][0]
    assert "strict" not in tool
    assert tool["input_schema"] == parameters
    assert dropped(fields, model=model) == ("tools[].function.strict",)


def test_tool_and_message_breakpoints_are_kept() -> None:
    body = sent({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]})
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_free_text_tool_takes_a_string() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}}
    tools = [{"type": "custom", "custom": {"name": "shell", "format": grammar}}]
    body = sent({"tools": tools, "tool_choice": {"type": "custom", "custom": {"name": "shell"}}})
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "tool", "name": "shell"}
    assert dropped({"tools": tools}) == ("tools[].custom.format",)


def test_web_search_becomes_the_providers_own_tool() -> None:
    place = {"type": "approximate", "approximate": {"city": "Ulm", "country": "DE"}}
    made = translation({"web_search_options": {"user_location": place, "search_context_size": "high"}})
    assert made.may_pause
    assert made.dropped == ("web_search_options.search_context_size",)
    body = sent({"web_search_options": {"user_location": place}})
    location = {"type": "approximate", "city": "Ulm", "country": "DE"}
    assert body["tools"] == [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 10, "user_location": location}
    ]


def test_web_search_is_bounded_as_the_operator_says_and_left_out_where_it_is_none() -> None:
    made = translation({"web_search_options": {}}, call(max_queries=3))
    assert [tool.max_uses for tool in made.body.tools] == [3]
    none = translation({"web_search_options": {}}, call(max_queries=0))
    assert (none.body.tools, none.dropped) == (None, ("web_search_options",))
