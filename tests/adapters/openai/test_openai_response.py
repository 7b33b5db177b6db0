"""Whole answers, legacy completions, embeddings and model lists of OpenAI-format servers."""

import base64
from array import array

import msgspec
import pytest

from adapters.base import Call, Deployment
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.completions import CompletionTranslator, to_completion, to_completion_body
from adapters.openai.embeddings import to_embedding_body, to_embedding_response
from adapters.openai.models import to_model_ids
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.response import to_chat_completion
from adapters.sse import Event
from schemas.chat_request import StreamOptions
from schemas.completions import Completion, CompletionRequest
from schemas.embeddings import EmbeddingRequest
from schemas.usage import Usage

HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "up-2026"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
DETAILS: dict[str, object] = {"prompt_tokens_details": {}, "completion_tokens_details": {}}
CALL = Call(
    deployment=Deployment(id="d", model="m", provider="p", adapter="openai", upstream_model="up"),
    request_id="r",
    deadline=1e9,
)


def chat(message: object, finish: object = "stop", *, keep_stop: bool = False, **fields: object) -> dict:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    body = msgspec.json.encode({**HEAD, "choices": [choice], "usage": USAGE, **fields})
    result = to_chat_completion(body, model="public", answer_id="minted", created=7, keep_stop=keep_stop)
    return msgspec.json.decode(msgspec.json.encode(result.body))


def test_answer_plain_text_is_openais_own() -> None:
    message = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []}
    body = msgspec.json.encode(
        {
            **HEAD,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp",
            "metadata": {"a": "b"},
        }
    )
    result = to_chat_completion(body, model="public", answer_id="minted", created=7)
    assert (result.upstream_id, result.upstream_model, result.native_finish_reason) == ("chatcmpl-1", "up-2026", "stop")
    assert msgspec.to_builtins(result.body) == {
        **HEAD,
        "model": "public",
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": USAGE | DETAILS,
        "service_tier": "default",
        "system_fingerprint": "fp",
        "metadata": {"a": "b"},
    }
    assert result.usage.raw is not msgspec.UNSET
    assert msgspec.json.decode(result.usage.raw) == USAGE


def test_answer_without_id_time_and_usage_gets_stand_ins() -> None:
    result = to_chat_completion(
        b'{"id":null,"choices":[{"message":{"content":"a"},"finish_reason":""}]}', model="m", answer_id="x", created=7
    )
    assert (result.body.id, result.body.created, result.upstream_id) == ("x", 7, None)
    assert (result.usage, result.body.usage, result.body.choices[0].finish_reason) == (Usage(), msgspec.UNSET, "stop")


def test_answer_tool_calls_are_normalised() -> None:
    calls = [
        {"id": "call_a", "type": "function", "index": 4, "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "call_a", "function": {"name": "g", "arguments": {"y": 2}}},
        {"id": "", "type": "custom", "custom": {"name": "h", "input": "z"}, "function": None},
    ]
    message = chat({"content": None, "tool_calls": calls}, "stop")["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    found = message["message"]["tool_calls"]
    assert [one["id"][:5] for one in found] == ["call_"] * 3
    assert len({one["id"] for one in found}) == 3
    assert [one.get("function", one.get("custom")) for one in found] == [
        {"name": "f", "arguments": '{"x":1}'},
        {"name": "g", "arguments": '{"y":2}'},
        {"name": "h", "input": "z"},
    ]


def test_answer_forced_call_of_openai_keeps_its_stop() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert chat({"tool_calls": [call]}, keep_stop=True)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "message",
    [
        {"content": "a", "reasoning": "hm"},
        {"content": "a", "reasoning_content": "hm", "reasoning": None},
        {"content": "a", "reasoning": {"content": "hm"}},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        },
    ],
)
def test_answer_reasoning_is_mirrored_wherever_it_stood(message: dict) -> None:
    found = chat(message)["choices"][0]["message"]
    assert (found["content"], found["reasoning"], found["reasoning_content"]) == ("a", "hm", "hm")


def test_answer_superset_fields_are_kept_and_odd_ones_left_out() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1", "index": 0}]
    citation = {"start_index": 0, "end_index": 1, "title": "t", "url": "https://a.example"}
    message = {
        "content": "a",
        "reasoning_details": details,
        "annotations": [{"type": "url_citation", "url_citation": citation}],
        "audio": {"id": "", "data": "", "expires_at": 0, "transcript": ""},
        "extra_content": {"google": {"thought_signature": "s"}},
        "function_call": {"name": "", "arguments": ""},
        "executed_tools": [],
    }
    found = chat(message, citations=["https://a.example"], prompt_filter_results=[{"prompt_index": 0}])
    kept = {name: message[name] for name in ("content", "reasoning_details", "annotations", "extra_content")}
    assert found["choices"][0]["message"] == {"role": "assistant", "refusal": None, **kept}
    assert {"citations", "prompt_filter_results"} <= set(found)
    assert chat({"content": "a", "annotations": [5], "reasoning_details": {}})["choices"][0]["message"] == {
        "role": "assistant",
        "content": "a",
        "refusal": None,
        "annotations": [],
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ErrorKind.BAD_RESPONSE),
        (b"<html></html>", ErrorKind.BAD_RESPONSE),
        (b"null", ErrorKind.BAD_RESPONSE),
        (b"[]", ErrorKind.BAD_RESPONSE),
        (b"{}", ErrorKind.BAD_RESPONSE),
        (b'{"choices":[]}', ErrorKind.BAD_RESPONSE),
        (b'{"choices":[{"message":{"content":5}}]}', ErrorKind.BAD_RESPONSE),
        (b'{"error":{"message":"x","code":429}}', ErrorKind.RATE_LIMIT),
        (b'{"error":{"message":"x","code":"content_filter"}}', ErrorKind.CONTENT_POLICY),
        (b'{"object":"error","message":"x","code":400}', ErrorKind.INVALID_REQUEST),
        (b'{"choices":[{"message":{"content":"a"},"finish_reason":"network_error"}]}', ErrorKind.SERVER_ERROR),
    ],
)
def test_answer_that_is_none_is_a_provider_error(body: bytes, kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as raised:
        to_chat_completion(body, model="m", answer_id="x", created=7)
    assert raised.value.kind is kind


# --- legacy completions


def test_completion_request_keeps_its_fields_and_asks_for_usage() -> None:
    request = CompletionRequest(
        model="m", prompt=[[1, 2]], suffix="s", stream_options=StreamOptions(include_obfuscation=True)
    )
    body, dropped = to_completion_body(request, CALL, Quirks(drops=frozenset({"suffix"})), stream=True)
    assert msgspec.json.decode(body) == {
        "model": "up",
        "prompt": [[1, 2]],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert set(dropped) == {"suffix", "stream_options.include_obfuscation"}


def test_completion_answer_is_openais_own() -> None:
    choices = [{"text": "a", "index": 0, "finish_reason": "eos", "logprobs": {"tokens": ["a"]}}]
    result = to_completion(
        msgspec.json.encode({**HEAD, "object": "text_completion", "choices": choices, "usage": USAGE}),
        model="public",
        answer_id="x",
        created=7,
    )
    body = msgspec.json.decode(msgspec.json.encode(result.body))
    assert body["choices"] == [{"text": "a", "index": 0, "finish_reason": "stop", "logprobs": {"tokens": ["a"]}}]
    assert (body["object"], body["usage"], result.native_finish_reason) == (
        "text_completion",
        USAGE | DETAILS,
        "eos",
    )


def run_completion(*items: object, done: bool = True) -> tuple[list[Completion], CompletionTranslator]:
    translator = CompletionTranslator(model="public", answer_id="x", created=7)
    found: list[Completion] = []
    for one in items:
        found += translator.feed(Event(b"", one if isinstance(one, bytes) else msgspec.json.encode(one)))
    if done:
        found += translator.feed(Event(b"", b"[DONE]"))
    found += translator.finish()
    return found, translator


def text(value: str, finish: str | None = None, **fields: object) -> dict:
    return {**HEAD, "choices": [{"text": value, "index": 0, "finish_reason": finish}], **fields}


def test_completion_stream_ends_each_choice_once() -> None:
    found, translator = run_completion(
        text("a"), text("", "length"), text("", "length", usage=USAGE), {**HEAD, "choices": []}
    )
    assert [(one.choices[0].text, one.choices[0].finish_reason) for one in found] == [("a", None), ("", "length")]
    assert translator.finished
    assert translator.usage is not None
    assert translator.usage.total_tokens == 8


def test_completion_stream_nothing_but_usage_is_taken_after_the_finish() -> None:
    found, translator = run_completion(
        text("a", "stop"), text("late"), text("late", "length", usage=USAGE), {**HEAD, "choices": []}
    )
    assert [(one.choices[0].text, one.choices[0].finish_reason) for one in found] == [("a", "stop")]
    assert translator.native_finish_reason == "stop"
    assert translator.usage is not None


def test_completion_stream_without_finish_reason_stops_at_the_end_mark() -> None:
    assert run_completion(text("a"))[0][-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ((text("a"),), ErrorKind.CONNECTION),
        ((b'{"error":{"message":"x"}}',), ErrorKind.SERVER_ERROR),
        ((b"<html>",), ErrorKind.BAD_RESPONSE),
    ],
)
def test_completion_stream_that_fails_is_a_provider_error(items: tuple[object, ...], kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as raised:
        run_completion(*items, done=False)
    assert raised.value.kind is kind


# --- embeddings


VECTOR = [0.5, -0.25, 1.0]
PACKED = base64.b64encode(array("f", VECTOR).tobytes()).decode()


def embedded(vector: object, quirks: Quirks, encoding: str | None) -> object:
    body = msgspec.json.encode(
        {"data": [{"embedding": vector, "index": 1}, {"embedding": [0.0], "index": 0}], "model": "up", "usage": USAGE}
    )
    request = EmbeddingRequest(model="public", input=["a", "b"], encoding_format=encoding)
    result = to_embedding_response(body, request, quirks)
    assert (result.body.model, result.upstream_model, result.body.usage.prompt_tokens) == ("public", "up", 3)
    assert [item.index for item in result.body.data] == [0, 1]
    return result.body.data[1].embedding


@pytest.mark.parametrize("sent", [VECTOR, PACKED])
@pytest.mark.parametrize(("encoding", "expected"), [(None, VECTOR), ("float", VECTOR), ("base64", PACKED)])
def test_embeddings_come_in_the_encoding_that_was_asked_for(sent: object, encoding: str, expected: object) -> None:
    assert embedded(sent, OPENAI, encoding) == expected


def test_embeddings_of_eight_bit_integers_become_numbers() -> None:
    packed = base64.b64encode(array("b", [1, -2]).tobytes()).decode()
    quirks = Quirks(embeddings="int8")
    assert embedded(packed, quirks, None) == [1.0, -2.0]
    assert embedded(packed, quirks, "base64") == base64.b64encode(array("f", [1, -2]).tobytes()).decode()


def test_embeddings_request_leaves_encoding_and_names_to_the_server() -> None:
    request = EmbeddingRequest(model="m", input=[1, 2], encoding_format="base64", dimensions=8, user="u")
    quirks = Quirks(embeddings="float", renames={"dimensions": "output_dimension"}, drops=frozenset({"user"}))
    body, dropped = to_embedding_body(request, CALL, quirks)
    assert msgspec.json.decode(body) == {"model": "up", "input": [1, 2], "output_dimension": 8}
    assert dropped == ("user",)
    assert msgspec.json.decode(to_embedding_body(request, CALL, OPENAI)[0])["encoding_format"] == "base64"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"data":[]}',
        b'{"data":[{"embedding":"%%"}]}',
        b'{"data":[{"embedding":"AAA="}]}',
        b'{"error":{"message":"x","code":500}}',
    ],
)
def test_embeddings_answer_that_is_none_is_a_provider_error(body: bytes) -> None:
    with pytest.raises(ProviderError):
        to_embedding_response(body, EmbeddingRequest(model="m", input="a"), OPENAI)


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", 1),
        (["a"], 1),
        (["a", "b"], 2),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        (["a", [1, 2], "b"], 3),
    ],
)
def test_embeddings_answer_with_another_number_of_vectors_is_a_bad_response(given: object, inputs: int) -> None:
    request = msgspec.convert({"model": "m", "input": given}, EmbeddingRequest)
    for count in (inputs - 1, inputs, inputs + 1):
        body = msgspec.json.encode({"data": [{"embedding": [0.5]}] * count})
        if count == inputs:
            assert len(to_embedding_response(body, request, OPENAI).body.data) == inputs
            continue
        with pytest.raises(ProviderError) as raised:
            to_embedding_response(body, request, OPENAI)
        assert raised.value.kind is ErrorKind.BAD_RESPONSE


# --- models


@pytest.mark.parametrize("body", [b'{"object":"list","data":[{"id":"b"},{"id":"a"}]}', b'[{"id":"b"},{"id":"a"}]'])
def test_models_are_listed_sorted(body: bytes) -> None:
    assert to_model_ids(body) == ("a", "b")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data":[{}]}'])
def test_models_answer_that_is_none_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        to_model_ids(body)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE
