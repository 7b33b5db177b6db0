"""What requests refuse and say about it, what answers always write, and the invariants of the meter vector."""

import json
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.chat_request import ChatRequest
from schemas.chat_response import (
    AssistantResponse,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChunkChoice,
    CompletionUsage,
    FinishReason,
)
from schemas.completions import CompletionRequest
from schemas.embeddings import EmbeddingRequest
from schemas.errors import ErrorBody, ErrorDetail
from schemas.usage import Usage

USER = {"role": "user", "content": "Hi"}


def decode(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": [USER], **fields}), type=ChatRequest)


def encode(value: object) -> object:
    return json.loads(msgspec.json.encode(value))


# --- requests


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": 1}, "$.model"),
        ({"messages": "Hi"}, "$.messages"),
        ({"messages": [{"role": "user"}]}, "$.messages[0]"),
        ({"messages": [USER, {"role": "user", "content": 1}]}, "$.messages[1].content"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "$.messages[0].role"),
        ({"messages": [{"content": "x"}]}, "$.messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "$.messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "$.messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "$.messages[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"type": "x"}]}]}, "$.messages[0].tool_calls[0].type"),
        ({"temperature": "hot"}, "$.temperature"),
        ({"max_tokens": 1.5}, "$.max_tokens"),
        ({"stream": "yes"}, "$.stream"),
        ({"stop": [1]}, "$.stop[0]"),
        ({"logit_bias": {"1": "x"}}, "$.logit_bias[...]"),
        ({"metadata": {"a": 1}}, "$.metadata[...]"),
        ({"reasoning_effort": "enormous"}, "$.reasoning_effort"),
        ({"tool_choice": "maybe"}, "$.tool_choice"),
        ({"tool_choice": {"type": "function"}}, "$.tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "$.tools[0].function"),
        ({"tools": [{"type": "hammer"}]}, "$.tools[0].type"),
        ({"response_format": {"type": "yaml"}}, "$.response_format.type"),
        ({"modalities": ["smell"]}, "$.modalities[0]"),
    ],
)  # fmt: skip
def test_chat_request_wrong_value_is_refused_with_its_path(fields: dict, path: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(**fields)
    assert f"`{path}" in str(caught.value)


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_chat_request_missing_field_is_named(missing: str) -> None:
    body = {"model": "m", "messages": [USER]}
    del body[missing]
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.json.decode(json.dumps(body), type=ChatRequest)


OPTIONAL = [
    (struct, field.name)
    for struct in (ChatRequest, CompletionRequest, EmbeddingRequest)
    for field in msgspec.structs.fields(struct)
    if not field.required
]


@pytest.mark.parametrize(("struct", "name"), OPTIONAL, ids=[f"{struct.__name__}.{name}" for struct, name in OPTIONAL])
def test_request_null_is_the_same_as_absent(struct: type, name: str) -> None:
    body = {"model": "m", "messages": [USER], "prompt": "x", "input": "x"}
    with_null = msgspec.json.decode(json.dumps({**body, name: None}), type=struct)
    without = msgspec.json.decode(json.dumps(body), type=struct)
    if getattr(with_null, name) == msgspec.Raw(b"null"):
        return  # kept as written; adapters read the JSON themselves
    assert with_null == without
    assert name not in encode(with_null)


def test_chat_request_unknown_top_level_fields_are_let_through() -> None:
    """The decoder of the gateway collects them; here they must not fail."""
    assert decode(chat_template_kwargs={"enable_thinking": False}) == decode()


def test_chat_request_free_form_json_is_kept_byte_for_byte() -> None:
    schema = b'{"type" : "object","required":["b","a"],"x":1.0e2}'
    body = b'{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":%b}}]}' % schema
    request = msgspec.json.decode(body, type=ChatRequest)
    assert schema in msgspec.json.encode(request)


def test_chat_request_round_trip_says_the_same() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f-1"}},
            ]},
            {"role": "assistant", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "custom", "custom": {"name": "c", "input": "x"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "done"},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "f"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
    }  # fmt: skip
    assert encode(msgspec.json.decode(json.dumps(body), type=ChatRequest)) == body


def test_cache_control_keeps_its_type_where_it_says_nothing_else() -> None:
    request = decode(messages=[{**USER, "cache_control": {"type": "ephemeral"}}])
    assert encode(request)["messages"][0]["cache_control"] == {"type": "ephemeral"}


# --- answers


def test_answer_required_nullable_fields_are_written_as_null() -> None:
    body = ChatCompletion(
        id="c", created=1, model="m", choices=[Choice(index=0, message=AssistantResponse(), finish_reason="stop")]
    )
    assert encode(body) == {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "refusal": None, "annotations": []},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
    }


def test_chunk_has_its_finish_reason_always_and_usage_only_when_set() -> None:
    chunk = ChatCompletionChunk(id="c", created=1, model="m", choices=[ChunkChoice(index=0, delta=ChoiceDelta())])
    plain = encode(chunk)
    assert plain["choices"] == [{"index": 0, "delta": {}, "finish_reason": None, "logprobs": None}]
    assert "usage" not in plain
    chunk.usage = None
    assert encode(chunk)["usage"] is None


def test_error_body_has_all_four_keys() -> None:
    body = ErrorBody(error=ErrorDetail(message="m", type="server_error"))
    assert encode(body) == {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}


def test_finish_reasons_are_openais_five() -> None:
    expected = {"stop", "length", "tool_calls", "content_filter", "function_call"}
    assert set(typing.get_args(FinishReason)) == expected


# --- usage

PROMPT_DETAILS = (
    "cached_tokens",
    "cache_write_tokens",
    "prompt_audio_tokens",
    "prompt_image_tokens",
    "prompt_text_tokens",
    "prompt_tool_tokens",
)
COMPLETION_DETAILS = (
    "reasoning_tokens",
    "completion_audio_tokens",
    "completion_image_tokens",
    "completion_text_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
)  # fmt: skip
COUNT = st.none() | st.integers(0, 1000)
ALL = (*PROMPT_DETAILS, *COMPLETION_DETAILS, "prompt_tokens", "completion_tokens", "cache_write_1h_tokens")
ANY_USAGE = st.fixed_dictionaries({name: st.none() | st.integers(-5, 1000) for name in ALL}).map(lambda f: Usage(**f))


@st.composite
def sound_usages(draw) -> Usage:
    prompt, completion = draw(st.integers(0, 1000)), draw(st.integers(0, 1000))
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    fields = {name: draw(st.none() | st.integers(0, prompt)) for name in PROMPT_DETAILS[2:]}
    fields |= {name: draw(st.none() | st.integers(0, completion)) for name in COMPLETION_DETAILS}
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=draw(st.sampled_from([None, cached])),
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.none() | st.integers(0, written)),
        queries=draw(COUNT),
        **fields,
    )


@given(sound_usages())
def test_usage_sound_counters_have_no_violations(usage: Usage) -> None:
    assert usage.violations() == ()


@given(ANY_USAGE)
def test_usage_violations_are_exactly_the_broken_invariants(usage: Usage) -> None:
    """TRAPS 4."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    is_sound = (
        all((getattr(usage, name) or 0) >= 0 for name in ALL)
        and all((getattr(usage, name) or 0) <= prompt for name in (*PROMPT_DETAILS, "cache_write_1h_tokens"))
        and all((getattr(usage, name) or 0) <= completion for name in COMPLETION_DETAILS)
        and (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0) <= prompt
        and (usage.cache_write_1h_tokens or 0) <= (usage.cache_write_tokens or 0)
    )
    if is_sound:
        assert usage.violations() == ()
    elif (
        all(getattr(usage, name) is not None for name in ("prompt_tokens", "completion_tokens"))
        and prompt >= 0 <= completion
    ):
        assert usage.violations()


@given(sound_usages())
def test_usage_for_clients_sums_up_and_leaves_out_what_was_not_reported(usage: Usage) -> None:
    shown = encode(usage.to_completion_usage())
    assert shown["total_tokens"] == shown["prompt_tokens"] + shown["completion_tokens"] == usage.total_tokens
    prompt = shown.get("prompt_tokens_details", {})
    completion = shown.get("completion_tokens_details", {})
    for name in PROMPT_DETAILS:
        assert prompt.get(name.removeprefix("prompt_")) == getattr(usage, name)
    for name in COMPLETION_DETAILS:
        assert completion.get(name.removeprefix("completion_")) == getattr(usage, name)
    assert prompt.get("cache_write_1h_tokens") == usage.cache_write_1h_tokens
    assert shown.get("server_tool_use", {}).get("web_search_requests") == usage.queries
    assert None not in (*prompt.values(), *completion.values())


def test_usage_zero_is_reported_and_none_is_not() -> None:
    assert encode(Usage(prompt_tokens=1, completion_tokens=1, cached_tokens=0).to_completion_usage()) == {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {},
    }
    assert encode(Usage().to_completion_usage()) == encode(
        CompletionUsage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    )
