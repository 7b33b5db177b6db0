"""Conversations as the provider wants them: turns, tool results, thinking, media."""

import base64

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.anthropic.translate import call, sent, translation, turns

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
USER = {"role": "user", "content": "Go"}


def calls(*ids: str, name: str = "f", arguments: str = '{"a": 1}', **fields) -> dict:
    made = [{"id": i, "type": "function", "function": {"name": name, "arguments": arguments}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": made, **fields}


def result(call_id: str, content: object = "ok", **fields) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def refused(messages: list[dict], **fields) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        translation({"messages": messages, **fields})
    return caught.value


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def test_messages_consecutive_roles_are_merged_and_blank_texts_left_out() -> None:
    given = [
        {"role": "user", "content": [text("One"), text("  ")]},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Three"},
    ]
    assert turns(given) == [("user", [text("One"), text("Two"), text("Three")])]


def test_messages_instructions_become_system_blocks_in_order_with_cache_control() -> None:
    given = [
        {"role": "system", "content": [text("A"), {**text("B"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        USER,
        {"role": "developer", "content": "C", "cache_control": {"type": "ephemeral"}},
    ]
    body = sent({"messages": given})
    assert body["system"] == [
        text("A"),
        {**text("B"), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {**text("C"), "cache_control": {"type": "ephemeral"}},
    ]
    assert len(body["messages"]) == 1


def test_messages_instructions_alone_are_what_is_asked() -> None:
    body = sent({"messages": [{"role": "system", "content": "A"}, {"role": "system", "content": "Say hi"}]})
    assert body["system"] == [text("A")]
    assert body["messages"] == [{"role": "user", "content": [text("Say hi")]}]


def test_messages_that_begin_with_the_assistant_get_a_first_user_turn() -> None:
    made = turns([{"role": "assistant", "content": "Hello!"}, USER])
    assert [role for role, _ in made] == ["user", "assistant", "user"]


def test_messages_last_assistant_turn_loses_trailing_whitespace() -> None:
    assert turns([USER, {"role": "assistant", "content": "So: \n"}])[-1] == ("assistant", [text("So:")])


def test_messages_without_content_are_refused() -> None:
    assert refused([{"role": "user", "content": " "}]).param == "messages"


def test_tool_results_share_the_turn_and_come_before_text() -> None:
    given = [USER, calls("c1", "c2", content="Wait."), result("c1"), result("c2", ""), {"role": "user", "content": "?"}]
    made = turns(given, tools=[TOOL])
    assert made[1] == (
        "assistant",
        [
            text("Wait."),
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "c2", "name": "f", "input": {"a": 1}},
        ],
    )
    assert made[2] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "c1", "content": [text("ok")]},
            {"type": "tool_result", "tool_use_id": "c2"},
            text("?"),
        ],
    )


def test_tool_result_with_image_and_error_keeps_both() -> None:
    content = [text("See"), {"type": "image_url", "image_url": {"url": PNG}}]
    block = turns([USER, calls("c"), result("c", content, is_error=True)], tools=[TOOL])[2][1][0]
    assert block["is_error"] is True
    assert [part["type"] for part in block["content"]] == ["text", "image"]


def test_tool_ids_that_are_illegal_or_repeated_change_on_call_and_result_alike() -> None:
    given = [
        USER,
        calls("a b", "", "x" * 80),
        result("a b"),
        result(""),
        result("x" * 80),
        calls("same"),
        result("same"),
        calls("same"),
        result("same"),
    ]
    made = turns(given, tools=[TOOL])
    asked = [block["id"] for _, blocks in made for block in blocks if block["type"] == "tool_use"]
    answered = [block["tool_use_id"] for _, blocks in made for block in blocks if block["type"] == "tool_result"]
    assert asked == answered
    assert len(set(asked)) == 5
    assert all(len(one) <= 64 and " " not in one for one in asked)
    assert asked == [
        block["id"] for _, blocks in turns(given, tools=[TOOL]) for block in blocks if block["type"] == "tool_use"
    ]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([USER, result("c")], "messages[1].tool_call_id"),
        ([USER, calls("c"), USER], "messages[1].tool_calls[0]"),
        ([USER, calls("c", "d"), result("c")], "messages[1].tool_calls[1]"),
        ([USER, calls("c"), result("c"), result("c")], "messages[3].tool_call_id"),
        ([USER, calls("c", "d"), result("d"), calls("e")], "messages[1].tool_calls[0]"),
        ([USER, calls("c")], "messages[1].tool_calls[0]"),
    ],
)
def test_tool_history_with_orphans_is_refused_with_its_path(messages: list[dict], param: str) -> None:
    error = refused(messages, tools=[TOOL])
    assert (error.kind, error.param) == (ErrorKind.INVALID_TOOL_HISTORY, param)


@pytest.mark.parametrize("arguments", ["{", "[1]", "3", "x"])
def test_tool_arguments_that_are_no_object_are_refused_with_their_path(arguments: str) -> None:
    error = refused([USER, calls("c", arguments=arguments), result("c")], tools=[TOOL])
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "messages[1].tool_calls[0].function.arguments")


def test_tool_arguments_empty_become_an_object() -> None:
    assert turns([USER, calls("c", arguments=""), result("c")], tools=[TOOL])[1][1][0]["input"] == {}


def test_tool_history_without_tools_declares_them_and_forbids_calls() -> None:
    body = sent({"messages": [USER, calls("c"), result("c")]})
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "none"}


def test_function_messages_of_the_deprecated_form_become_tool_turns() -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    answered = {"role": "function", "name": "f", "content": "1"}
    made = turns([USER, called, answered, called, answered], functions=[TOOL["function"]])
    assert [role for role, _ in made] == ["user", "assistant", "user", "assistant", "user"]
    assert made[1][1][0]["id"] == made[2][1][0]["tool_use_id"] != made[3][1][0]["id"]


def detail(**fields) -> dict:
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, **fields}


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_details": [detail(text="Hm.", signature="s1")]},
        {"reasoning_details": [detail(text="H"), {**detail(text="m."), "format": None}, detail(signature="s1")]},
        {"thinking_blocks": [THOUGHT]},
        {"reasoning_content": "Hm.", "extra_content": {"anthropic": {"signature": "s1"}}},
    ],
)
def test_thinking_of_every_spelling_comes_first_and_unmodified(fields: dict) -> None:
    given = [USER, calls("c", content="Text", **fields), result("c")]
    blocks = turns(given, tools=[TOOL], reasoning_effort="high")[1][1]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    assert blocks[0] == THOUGHT


def test_thinking_redacted_goes_back_and_foreign_or_unsigned_does_not() -> None:
    details = [
        {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "data": "opaque"},
        detail(text="unsigned", index=1),
        {"type": "reasoning.text", "format": "google-gemini-v1", "text": "x", "signature": "y"},
        {"type": "reasoning.encrypted", "format": "openai-responses-v1", "data": "z"},
    ]
    given = [USER, {"role": "assistant", "content": "A", "reasoning_details": details}, USER]
    blocks = turns(given, reasoning_effort="low")[1][1]
    assert blocks == [{"type": "redacted_thinking", "data": "opaque"}, text("A")]


def test_thinking_is_left_out_where_the_model_will_not_think() -> None:
    given = [USER, {"role": "assistant", "content": "A", "thinking_blocks": [THOUGHT]}, USER]
    assert turns(given)[1][1] == [text("A")]
    assert turns(given, reasoning_effort="none")[1][1] == [text("A")]
    always = sent({"messages": given}, call("claude-opus-5-5"))
    assert always["messages"][1]["content"] == [THOUGHT, text("A")]


def test_thinking_with_a_budget_gives_way_where_the_client_lost_the_thoughts_of_a_tool_loop() -> None:
    fields = {"messages": [USER, calls("c"), result("c")], "tools": [TOOL], "reasoning_effort": "high"}
    made = translation(fields)
    assert made.body.thinking is None
    assert made.dropped == ("reasoning_effort",)
    assert translation(fields, call("claude-opus-4-6")).body.thinking is not None


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        ),
        (
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERi0="}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
        ),
        (
            {"type": "file", "file": {"file_data": "data:text/csv;base64," + base64.b64encode(b"a,b").decode()}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
        ),
        (
            {"type": "file", "file": {"file_id": "file_1"}, "cache_control": {"type": "ephemeral"}},
            {
                "type": "document",
                "source": {"type": "file", "file_id": "file_1"},
                "cache_control": {"type": "ephemeral"},
            },
        ),
    ],
)
def test_media_parts_become_blocks(part: dict, block: dict) -> None:
    assert turns([{"role": "user", "content": [part]}]) == [("user", [block])]


def test_media_by_file_id_names_the_beta() -> None:
    part = {"type": "file", "file": {"file_id": "file_1"}}
    assert translation({"messages": [{"role": "user", "content": [part]}]}).betas == ("files-api-2025-04-14",)
    assert translation({}).betas == ()


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, ""),
        ({"type": "video_url", "video_url": {"url": "https://x.example/v"}}, ""),
        ({"type": "image_url", "image_url": {"url": "ftp://x.example/a"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,AA"}}, ".image_url.url"),
        ({"type": "file", "file": {"file_data": "data:application/zip;base64,AA"}}, ".file.file_data"),
        ({"type": "file", "file": {}}, ".file"),
    ],
)
def test_media_that_cannot_be_carried_is_refused_with_its_path(part: dict, param: str) -> None:
    error = refused([{"role": "user", "content": [text("x"), part]}])
    assert error.kind in {ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED_PARAMETER}
    assert error.param == "messages[0].content[1]" + param


def test_media_of_an_earlier_answer_follow_in_the_users_turn_after_the_results() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = {"role": "assistant", "content": [image], "images": [{**image, "index": 0}], "tool_calls": [call]}
    made = turns([USER, answer, {"role": "tool", "tool_call_id": "c1", "content": "x"}, USER])
    assert [role for role, _ in made] == ["user", "assistant", "user"]
    assert [block["type"] for block in made[1][1]] == ["tool_use"]
    assert [block["type"] for block in made[2][1]] == ["tool_result", "text", "image", "image", "text"]
    last = turns([USER, {"role": "assistant", "content": "Here:", "images": [image]}])
    assert [role for role, _ in last] == ["user", "assistant", "user"]


def test_uploaded_image_is_shown_as_an_image() -> None:
    part = {"type": "file", "file": {"file_id": "file_1", "filename": "a.PNG"}}
    assert turns([{"role": "user", "content": [part]}])[0][1] == [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    ]
