"""A request's messages in OpenAI's dialect: parts, ids, reasoning, and what must not reach the server."""

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.openai.messages import MOVED
from adapters.openai.quirks import OPENAI, Quirks
from tests.adapters.openai.translate import HELLO, SDK_REQUEST, messages, translate

CALLS = [{"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "{}"}}]
THOUGHTFUL = {
    "role": "assistant",
    "content": "a",
    "reasoning_content": "hm",
    "reasoning": "hm",
    "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}],
    "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
    "extra_content": {"google": {"thought_signature": "s"}},
}


def test_messages_superset_fields_do_not_reach_openai() -> None:
    sent = [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {**HELLO[0], "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {**THOUGHTFUL, "tool_calls": [{**CALLS[0], "extra_content": {"google": {"thought_signature": "s"}}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "r", "is_error": True},
    ]
    tools = [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]
    body, dropped = translate({"messages": sent, "tools": tools})
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        HELLO[0],
        {"role": "assistant", "content": "a", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "r"},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert dropped == ("cache_control", "messages[].is_error")
    SDK_REQUEST.validate_python(body)


def test_messages_every_part_of_openai_travels_as_it_is() -> None:
    parts = [
        {"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
    ]
    sent = [
        {"role": "developer", "content": "d", "name": "n"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "audio": {"id": "audio_1"}},
        {"role": "assistant", "refusal": "no"},
        {"role": "assistant", "tool_calls": [{"type": "custom", "id": "c", "custom": {"name": "g", "input": "x"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r"}]},
        {"role": "function", "name": "f", "content": "r"},
    ]
    assert messages(*sent) == sent


def test_messages_video_is_refused_with_its_path_where_the_server_has_none() -> None:
    video = {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://v.example"}}]}
    with pytest.raises(ProviderError) as raised:
        messages(video)
    assert (raised.value.kind, raised.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "messages[0].content[0]")
    assert messages(video, quirks=Quirks(video=True)) == [video]


def test_messages_media_in_tool_results_move_behind_all_results() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    sent = [
        {"role": "assistant", "tool_calls": [CALLS[0], {**CALLS[0], "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "r"}, image]},
        {"role": "tool", "tool_call_id": "call_2", "content": [image]},
        {"role": "user", "content": "and?"},
    ]
    found = messages(*sent)
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user", "user"]
    assert found[1]["content"] == [{"type": "text", "text": "r"}]
    assert found[2]["content"] == MOVED
    assert [part["type"] for part in found[3]["content"]] == ["text", "image_url", "text", "image_url"]
    assert "call_2" in found[3]["content"][2]["text"]
    assert messages(*sent[:3])[-1] == found[3]
    assert messages(*sent, quirks=Quirks(tool_media=True)) == sent


@pytest.mark.parametrize("call_id", ["x" * 65, "functions.f:0", "", "a b"])
@pytest.mark.parametrize("quirks", [OPENAI, Quirks(nine_char_tool_ids=True)])
def test_messages_illegal_tool_ids_change_alike_on_call_and_result(call_id: str, quirks: Quirks) -> None:
    found = messages(
        {"role": "assistant", "tool_calls": [{**CALLS[0], "id": call_id}]},
        {"role": "tool", "tool_call_id": call_id, "content": "r"},
        quirks=quirks,
    )
    minted = found[0]["tool_calls"][0]["id"]
    assert minted == found[1]["tool_call_id"] != call_id
    assert minted.replace("_", "").isalnum()
    assert len(minted) == (9 if quirks.nine_char_tool_ids else 29)


def test_messages_nine_character_tool_id_is_kept() -> None:
    called = {"role": "assistant", "tool_calls": [{**CALLS[0], "id": "Abc123def"}]}
    result = {"role": "tool", "tool_call_id": "Abc123def", "content": "r"}
    assert messages(called, result, quirks=Quirks(nine_char_tool_ids=True)) == [called, result]


def test_messages_for_servers_without_openais_habits() -> None:
    quirks = Quirks(developer_role=False, message_names=False, empty_content=True)
    sent = [
        {"role": "developer", "content": "d", "name": "n"},
        {"role": "assistant", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "r", "name": "f"},
        {"role": "assistant", "refusal": "no"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]
    body, dropped = translate({"messages": sent}, quirks)
    assert body["messages"] == [
        {"role": "system", "content": "d"},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "r", "name": "f"},
        {"role": "assistant", "content": "no"},
        {"role": "assistant", "content": [{"type": "text", "text": "no"}]},
    ]
    assert dropped == ("messages[].name",)


def test_messages_assistant_that_says_nothing_gets_empty_content() -> None:
    assert messages({"role": "assistant", "reasoning_content": ""}) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        (Quirks(), [{}, {}]),
        (Quirks(reasoning_fields=("reasoning_content",)), [{}, {"reasoning_content": "hm"}]),
        (
            Quirks(reasoning_fields=("reasoning_content", "reasoning"), reasoning_scope="all"),
            [{"reasoning_content": "hm", "reasoning": "hm"}] * 2,
        ),
        (Quirks(reasoning_details=True), [{"reasoning_details": THOUGHTFUL["reasoning_details"]}] * 2),
    ],
)
def test_messages_reasoning_goes_back_as_far_as_the_server_wants_it(quirks: Quirks, expected: list[dict]) -> None:
    answer = {**THOUGHTFUL, "tool_calls": CALLS}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "r"}
    found = messages(HELLO[0], answer, result, HELLO[0], answer, result, quirks=quirks)
    plain = {"role": "assistant", "content": "a", "tool_calls": CALLS}
    assert [found[1], found[4]] == [{**plain, **expected[0]}, {**plain, **expected[1]}]


def test_messages_thinking_blocks_become_details_with_their_owner() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    found = messages(
        {"role": "assistant", "content": "a", "thinking_blocks": blocks},
        quirks=Quirks(reasoning_details=True, reasoning_fields=("reasoning",), reasoning_scope="all"),
    )
    owner = {"format": "anthropic-claude-v1"}
    assert found[0]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "s", **owner},
        {"type": "reasoning.encrypted", "data": "x", **owner},
    ]
    assert found[0]["reasoning"] == "hm"


def test_annotations_of_an_earlier_answer_stay_here() -> None:
    noted = {"role": "assistant", "content": "Hi", "annotations": [{"type": "file", "file": {"hash": "h"}}]}
    empty = {"role": "assistant", "content": "Hi", "annotations": []}
    plain = {"role": "assistant", "content": "Hi"}
    assert messages(noted, empty) == [plain, plain]
