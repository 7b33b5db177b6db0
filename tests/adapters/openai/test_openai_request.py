"""The hub's request in OpenAI's dialect: what travels as it is, what is mapped, and what must not reach the server."""

import msgspec
import pytest
from msgspec import Raw
from openai.types.chat import completion_create_params
from pydantic import TypeAdapter

from adapters.base import Call, Deployment, ExtraParams, Secret
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.messages import MOVED
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.request import to_chat_body
from schemas.chat_request import ChatRequest

SDK_REQUEST = TypeAdapter(completion_create_params.CompletionCreateParams)
HELLO = [{"role": "user", "content": "Hi"}]


def call_of(policy: ExtraParams = "drop", **extra: bytes) -> Call:
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter="openai",
        upstream_model="up",
        credential=Secret("canary"),
        extra_params=policy,
    )
    return Call(deployment=deployment, request_id="r", deadline=1e9, extra_params={k: Raw(v) for k, v in extra.items()})


def translate(
    body: dict, quirks: Quirks = OPENAI, call: Call | None = None, *, stream: bool = False
) -> tuple[dict, tuple[str, ...]]:
    sent = msgspec.json.encode({"model": "public", "messages": HELLO, **body})
    request = msgspec.json.decode(sent, type=ChatRequest)
    raw, dropped = to_chat_body(request, call or call_of(), quirks, stream=stream)
    return msgspec.json.decode(raw), dropped


def messages(*items: dict, quirks: Quirks = OPENAI) -> list[dict]:
    return translate({"messages": list(items)}, quirks)[0]["messages"]


def test_request_plain_text_travels_with_the_upstream_model() -> None:
    assert translate({}) == ({"model": "up", "messages": HELLO}, ())


def test_request_stream_always_asks_for_usage() -> None:
    body, dropped = translate({"stream": True, "stream_options": {"include_usage": False}}, stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert dropped == ()


def test_request_obfuscation_reaches_openai_alone() -> None:
    options = {"stream_options": {"include_obfuscation": False}}
    assert translate(options, stream=True)[0]["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }
    body, dropped = translate(options, Quirks(), stream=True)
    assert body["stream_options"] == {"include_usage": True}
    assert dropped == ("stream_options.include_obfuscation",)


def test_request_unstreamed_carries_no_stream_fields() -> None:
    body, _ = translate({"stream": False, "stream_options": {"include_usage": True}})
    assert set(body) == {"model", "messages"}


FULL = {
    "audio": {"format": "mp3", "voice": "alloy"},
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 10,
    "metadata": {"a": "b"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.1,
    "prompt_cache_key": "k",
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "safety_identifier": "s",
    "seed": 1,
    "service_tier": "flex",
    "stop": ["a"],
    "store": True,
    "temperature": 1.0,
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
    "top_logprobs": 2,
    "top_p": 0.9,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def test_request_every_field_of_openai_travels_as_it_is() -> None:
    body, dropped = translate(FULL)
    assert body == {"model": "up", "messages": HELLO, **FULL}
    assert dropped == ()
    SDK_REQUEST.validate_python(body)


def test_request_json_schema_passes_byte_for_byte() -> None:
    schema = b'{"type":"object" ,  "properties":{"\\u00e9":{"type":"number","minimum":1e0}}}'
    tools = b'[{"type":"function","function":{"name":"f","parameters":%b}}]' % schema
    request = msgspec.json.decode(
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":%b}' % tools, type=ChatRequest
    )
    assert schema in to_chat_body(request, call_of(), OPENAI, stream=False)[0]


def test_request_unknown_fields_are_merged_byte_for_byte() -> None:
    call = call_of(guided_json=b'{"order": ["x"]}', **{'odd "name"': b"1e0"})
    request = ChatRequest(model="m", messages=[])
    body, dropped = to_chat_body(request, call, OPENAI, stream=False)
    assert b'"guided_json":{"order": ["x"]}' in body
    assert msgspec.json.decode(body)['odd "name"'] == 1
    assert dropped == ()


@pytest.mark.parametrize(
    ("field", "expected"), [("max_tokens", "max_tokens"), (None, None), ("max_completion_tokens", None)]
)
@pytest.mark.parametrize("sent", ["max_tokens", "max_completion_tokens"])
def test_request_output_bound_gets_the_servers_name(field: str | None, expected: str | None, sent: str) -> None:
    body, _ = translate({sent: 5}, Quirks(max_tokens_field=field))
    assert {name for name in body if name.startswith("max_")} == {expected or field or sent}


def test_request_unsupported_field_is_dropped_named_or_rejected() -> None:
    assert translate({"top_k": 5, "moderation": {}}) == (
        {"model": "up", "messages": HELLO, "moderation": {}},
        ("top_k",),
    )
    body, dropped = translate({"moderation": {"a": 1}}, Quirks(drops=frozenset({"moderation"})))
    assert ("moderation" in body, dropped) == (False, ("moderation",))
    with pytest.raises(ProviderError) as raised:
        translate({"top_k": 5}, call=call_of("reject"))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "top_k")


def test_request_dropped_fields_are_named_in_one_order_in_every_process() -> None:
    names = ("logit_bias", "moderation", "n", "seed", "top_k", "user")
    sent = {"logit_bias": {"1": 1}, "moderation": {"a": 1}, "n": 1, "seed": 1, "top_k": 1, "user": "u"}
    _, dropped = translate(dict(reversed(sent.items())), Quirks(drops=frozenset(names)))
    assert dropped == names


# --- reasoning


@pytest.mark.parametrize(
    ("sent", "effort", "dropped"),
    [
        ({"reasoning_effort": "xhigh"}, "xhigh", ()),
        ({"reasoning": {"effort": "high"}, "reasoning_effort": "low"}, "high", ()),
        ({"reasoning": {"max_tokens": 1500}}, "medium", ("reasoning.max_tokens",)),
        ({"reasoning": {"enabled": False}, "reasoning_effort": "low"}, "none", ()),
        ({"reasoning": {"enabled": True}}, "medium", ()),
        ({"reasoning": {"exclude": True, "effort": "low"}}, "low", ("reasoning.exclude",)),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}}, "high", ("thinking.budget_tokens",)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, "none", ()),
        ({"thinking": {"type": "adaptive"}, "reasoning_effort": "high"}, "high", ()),
    ],
)
def test_request_reasoning_in_every_spelling_becomes_effort(sent: dict, effort: str, dropped: tuple[str, ...]) -> None:
    body, named = translate(sent)
    assert body == {"model": "up", "messages": HELLO, "reasoning_effort": effort}
    assert named == dropped


@pytest.mark.parametrize(
    ("switch", "sent", "expected"),
    [
        ("thinking", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            "thinking",
            {"reasoning": {"enabled": True, "effort": "low"}},
            {"thinking": {"type": "enabled"}, "reasoning_effort": "low"},
        ),
        ("reasoning", {"thinking": {"type": "disabled"}}, {"reasoning": {"enabled": False}}),
        (
            "template",
            {"reasoning_effort": "none"},
            {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        ("template", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("effort", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
    ],
)
def test_request_reasoning_is_switched_where_the_server_has_its_switch(switch: str, sent: dict, expected: dict) -> None:
    body, _ = translate(sent, Quirks(reasoning_switch=switch, efforts={"max": "high"}))
    assert body == {"model": "up", "messages": HELLO, **expected}


def test_request_template_arguments_of_the_client_win() -> None:
    call = call_of(chat_template_kwargs=b'{"enable_thinking":true}')
    body, _ = translate({"reasoning_effort": "none"}, Quirks(reasoning_switch="template"), call)
    assert body["chat_template_kwargs"] == {"enable_thinking": True}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"reasoning": {"max_tokens": 2000}}, {"reasoning": {"max_tokens": 2000}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"reasoning": {"max_tokens": 9}}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"}, {"reasoning": {"enabled": False}}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ],
)
def test_request_reasoning_object_goes_where_it_is_understood(sent: dict, expected: dict) -> None:
    assert translate(sent, Quirks(reasoning_object=True))[0] == {"model": "up", "messages": HELLO, **expected}


# --- messages


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


# --- tools


def test_tools_allowed_subset_is_made_for_servers_that_do_not_know_it() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}
    choice["allowed_tools"]["tools"] = [{"type": "function", "function": {"name": "g"}}]
    body, _ = translate({"tools": tools, "tool_choice": choice}, Quirks())
    assert (body["tools"], body["tool_choice"]) == (tools[1:], "required")
    choice["allowed_tools"]["tools"] = []
    with pytest.raises(ProviderError) as raised:
        translate({"tools": tools, "tool_choice": choice}, Quirks())
    assert raised.value.kind is ErrorKind.INVALID_REQUEST


def test_tools_named_one_is_the_only_and_demanded_for_servers_that_ignore_a_name() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    choice = {"type": "function", "function": {"name": "g"}}
    assert translate({"tools": tools, "tool_choice": choice}, Quirks())[0]["tool_choice"] == choice
    body, losses = translate({"tools": tools, "tool_choice": choice}, Quirks(named_choice=False))
    assert (body["tools"], body["tool_choice"]) == (tools[1:], "required")
    assert losses == ()
    choice["function"]["name"] = "h"
    with pytest.raises(ProviderError) as raised:
        translate({"tools": tools, "tool_choice": choice}, Quirks(named_choice=False))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "tool_choice")


def test_request_renamed_field_is_sent_under_the_servers_name() -> None:
    assert translate({"seed": 5}, Quirks(renames={"seed": "random_seed"}))[0]["random_seed"] == 5
