"""What tools become: definitions, choices, names, calls and their results."""

import json

import pytest

from adapters.errors import ErrorKind
from tests.adapters.bedrock.translate import (
    CITY,
    CLAUDE,
    DATA,
    FORMAT,
    LLAMA,
    LOOP,
    MISTRAL,
    NOVA,
    OLD,
    OPUS,
    WEATHER,
    call,
    names_of,
    refused,
    sent,
    translation,
    turns,
)


def test_tool_loop_keeps_text_calls_and_results() -> None:
    body = sent({"messages": [*LOOP, {"role": "user", "content": "And?"}], "tools": [WEATHER]})
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Ulm"}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "Sunny"}]}}, {"text": "And?"}],
        },
    ]
    spec = {"name": "get_weather", "description": "Weather", "inputSchema": {"json": CITY}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}]}


def test_failed_result_has_a_status_where_the_model_knows_it() -> None:
    messages = [*LOOP[:2], {"role": "tool", "tool_call_id": "t1", "content": "", "is_error": True}]
    result = {"toolUseId": "t1", "content": [{"text": "(no output)"}]}
    assert turns(messages, tools=[WEATHER])[-1][1] == [{"toolResult": {**result, "status": "error"}}]
    made = translation({"messages": messages, "tools": [WEATHER]}, call(LLAMA))
    assert json.loads(made.encode())["messages"][-1]["content"] == [{"toolResult": result}]
    assert made.dropped == ("messages[].is_error",)


def test_image_in_a_result_stays_inside_it() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
    messages = [*LOOP[:2], {"role": "tool", "tool_call_id": "t1", "content": [image]}]
    media = {"format": "png", "source": {"bytes": DATA}}
    assert turns(messages, tools=[WEATHER])[-1][1][0]["toolResult"]["content"] == [{"image": media}]


@pytest.mark.parametrize("messages", [LOOP[:2], LOOP[2:], [*LOOP[:2], {"role": "user", "content": "Hm"}]])
def test_orphan_of_a_tool_loop_is_an_invalid_history(messages: list[dict]) -> None:
    assert refused({"messages": messages, "tools": [WEATHER]}).kind is ErrorKind.INVALID_TOOL_HISTORY


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "get_weather"}}, {"tool": {"name": "get_weather"}}),
    ],
)
def test_tool_choice_has_its_form(choice: object, made: dict) -> None:
    assert sent({"tools": [WEATHER], "tool_choice": choice})["toolConfig"]["toolChoice"] == made


ONE_CALL = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


@pytest.mark.parametrize(
    "model",
    [
        CLAUDE, OPUS, "eu.anthropic.claude-opus-4-5-20251101-v1:0", "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-sonnet-5", "anthropic.claude-opus-4-10",
    ],
)  # fmt: skip
@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}])
def test_claude_is_told_of_one_call_alone_beside_no_other_choice(model: str, choice: dict) -> None:
    made = translation({"tools": [WEATHER], "parallel_tool_calls": False, **choice}, call(model))

    body = json.loads(made.encode())
    assert body["additionalModelRequestFields"] == ONE_CALL
    assert "toolChoice" not in body["toolConfig"]
    assert made.dropped == ()


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"tool_choice": "required"}, CLAUDE),
        ({"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, CLAUDE),
        ({"response_format": FORMAT}, "anthropic.claude-opus-4-1-20250805-v1:0"),
        *(({}, old) for old in (
            OLD, "anthropic.claude-3-5-sonnet-20241022-v2:0", "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "us.anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-opus-4-20250514-v1:0",
            "anthropic.claude-opus-4-1-20250805-v1:0", "anthropic.claude-v2:1", "anthropic.claude-instant-v1",
            "claude-sonnet-4@20250514", "claude-opus-4", "claude-4-opus", NOVA, MISTRAL, LLAMA,
        )),
    ],
)  # fmt: skip
def test_wish_for_one_call_is_named_where_it_cannot_be_said(fields: dict, model: str) -> None:
    """A demanded call has its place in Converse's own fields, and Claude's beside it is a 400."""
    made = translation({"tools": [WEATHER], "parallel_tool_calls": False, **fields}, call(model))

    assert "tool_choice" not in json.loads(made.encode()).get("additionalModelRequestFields", {})
    assert "parallel_tool_calls" in made.dropped


@pytest.mark.parametrize("fields", [{}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_wish_for_one_call_without_tools_to_call_is_nothing(fields: dict) -> None:
    made = translation({"parallel_tool_calls": False, **fields})

    assert "additionalModelRequestFields" not in json.loads(made.encode())
    assert made.dropped == ()


def test_one_call_stands_beside_thinking_and_replaces_what_is_forwarded() -> None:
    fields = {"tools": [WEATHER], "parallel_tool_calls": False, "reasoning_effort": "low", "max_tokens": 9000}
    at = call(extra={"additionalModelRequestFields": {"tool_choice": {"type": "any"}}}, extra_params="forward")

    made = translation(fields, at)

    additional = json.loads(made.encode())["additionalModelRequestFields"]
    assert additional.keys() == {"reasoning_config", "tool_choice"}
    assert additional["tool_choice"] == ONE_CALL["tool_choice"]
    assert made.dropped == ("tool_choice",)


def test_tool_choice_none_leaves_the_tools_out() -> None:
    assert "toolConfig" not in sent({"tools": [WEATHER], "tool_choice": "none"})


@pytest.mark.parametrize(
    ("fields", "dropped"), [({"tools": [WEATHER], "tool_choice": "none"}, "tool_choice"), ({}, "tools")]
)
def test_history_with_calls_keeps_definitions_and_asks_for_text(fields: dict, dropped: str) -> None:
    made = translation({"messages": LOOP, **fields})
    body = json.loads(made.encode())
    assert names_of(body) == ["get_weather"]
    assert "toolChoice" not in body["toolConfig"]
    assert body["system"] == [{"text": "Do not call any tool. Answer in text."}]
    assert made.dropped == (dropped,)


def test_names_beyond_the_limit_are_shortened_and_put_back() -> None:
    long, dotted = "f" * 100, "a.b/c"
    tools = [{"type": "function", "function": {"name": name}} for name in (long, dotted, long[:-1])]
    made = translation({"tools": tools})
    names = names_of(json.loads(made.encode()))
    assert len(set(names)) == 3
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in names)
    assert [made.names.original(name) for name in names] == [long, dotted, long[:-1]]
