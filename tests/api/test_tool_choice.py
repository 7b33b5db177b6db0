"""A choice of tools is held against the tools that the request defines."""

import json

import pytest

from aqueduct.api.chat import CHAT
from aqueduct.errors import GatewayError

FUNCTION = {"name": "f"}
TOOLS = [{"type": "function", "function": FUNCTION}, {"type": "custom", "custom": {"name": "c"}}]


def named(name: str, kind: str = "function") -> dict[str, object]:
    return {"type": kind, kind: {"name": name}}


def allowed(*tools: object) -> dict[str, object]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": list(tools)}}


def validate(fields: dict[str, object]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    request, _ = CHAT.decoder.decode(json.dumps(body).encode())
    CHAT.validate(request)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "auto"},
        {"tool_choice": "none"},
        {"tool_choice": "none", "tools": []},
        {"tools": TOOLS, "tool_choice": "required"},
        {"tools": TOOLS, "tool_choice": named("f")},
        {"tools": TOOLS, "tool_choice": named("c", "custom")},
        {"tools": TOOLS, "tool_choice": allowed(named("f"), named("c", "custom"))},
        {"functions": [FUNCTION], "function_call": {"name": "f"}},
        {"functions": [FUNCTION], "function_call": "auto"},
    ],
)
def test_choice_of_what_is_defined_is_taken(fields: dict[str, object]) -> None:
    validate(fields)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tool_choice": "required"}, "tool_choice", "'tool_choice' is only allowed when 'tools' are specified"),
        ({"tool_choice": "required", "tools": []}, "tool_choice", "only allowed when 'tools'"),
        ({"tool_choice": named("f")}, "tool_choice", "only allowed when 'tools'"),
        ({"tool_choice": named("f"), "functions": [FUNCTION]}, "tool_choice", "only allowed when 'tools'"),
        ({"tools": TOOLS, "tool_choice": named("g")}, "tool_choice", "'g' not found in 'tools'"),
        ({"tools": TOOLS, "tool_choice": named("x" * 999)}, "tool_choice", "…' not found"),
        ({"tools": TOOLS, "tool_choice": allowed()}, "tool_choice.allowed_tools.tools", "at least one"),
        ({"tools": TOOLS, "tool_choice": allowed(named("f"), named("g"))}, "tool_choice.allowed_tools.tools[1]", "'g'"),
        ({"function_call": {"name": "f"}}, "function_call", "only allowed when 'functions'"),
        ({"functions": [FUNCTION], "function_call": {"name": "g"}}, "function_call", "'g' not found in 'functions'"),
    ],
)
def test_choice_of_what_is_not_defined_names_the_field(fields: dict[str, object], param: str, words: str) -> None:
    with pytest.raises(GatewayError) as caught:
        validate(fields)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "invalid_value", param)
    assert words in caught.value.message
