"""What Mistral's dialect has of its own: chunks in messages, references in answers, errors, options."""

import json

import msgspec
import pytest

from adapters import registry
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.mistral import MistralAdapter
from schemas.chat_request import ChatRequest
from tests.adapters.mistral import exchanges
from tests.adapters.mistral.exchanges import reference, text

ASKED = [{"role": "user", "content": "Hi"}]
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PDF = "data:application/pdf;base64,JVBERg=="


def call_of(**fields) -> Call:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "mistral", "upstream_model": "up"}
    deployment = Deployment(**{**base, "credential": Secret("canary"), **fields})
    return Call(deployment=deployment, request_id="r", deadline=1e9)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


async def sent_and_dropped(*, options: dict | None = None, **fields) -> tuple[dict, tuple[str, ...]]:
    transport = PlayedTransport(Played([exchanges.whole("Hi")]))
    result = await MistralAdapter(transport).chat(request(**fields), call_of(options=options or {}))
    assert transport.requests[0].url == "https://api.mistral.ai/v1/chat/completions"
    return json.loads(transport.requests[0].body), result.dropped_params


async def sent(**fields) -> dict:
    return (await sent_and_dropped(**fields))[0]


async def failed(status: int, body: object) -> ProviderError:
    headers = {"content-type": "application/json", "mistral-correlation-id": "c-1"}
    played = Played([json.dumps(body).encode()], status=status, headers=headers)
    with pytest.raises(ProviderError) as raised:
        await MistralAdapter(PlayedTransport(played)).chat(request(), call_of())
    return raised.value


async def test_parameters_have_mistrals_names_and_forms() -> None:
    body, dropped = await sent_and_dropped(
        seed=4,
        max_completion_tokens=9,
        top_k=3,
        reasoning_effort="medium",
        store=True,
        logit_bias={"1": 2},
        prediction={"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice="required",
    )
    assert {name: body[name] for name in ("random_seed", "max_tokens", "top_k", "reasoning_effort")} == {
        "random_seed": 4, "max_tokens": 9, "top_k": 3, "reasoning_effort": "high",
    }  # fmt: skip
    assert body["prediction"] == {"type": "content", "content": "ab"}
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert body["tool_choice"] == "required"
    assert set(dropped) == {"logit_bias", "store", "reasoning_effort"}


async def test_options_of_the_deployment_stand_above_the_client() -> None:
    body = await sent(options={"safe_prompt": "true", "prompt_mode": "reasoning"})
    assert (body["safe_prompt"], body["prompt_mode"]) == (True, "reasoning")
    with pytest.raises(ProviderError) as raised:
        await sent(options={"safe_prompt": "perhaps"})
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND


async def test_media_travel_in_mistrals_chunks() -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "https://i.example/i.png", "detail": "original"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    expected = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "https://i.example/i.png"}},
        {"type": "input_audio", "input_audio": "AAAA"},
        {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
        {"type": "file", "file_id": "file-1"},
    ]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_1", "content": parts},
    ]
    body = (await sent(messages=messages))["messages"]
    assert body[0] == {"role": "user", "content": expected}
    assert body[2] == {"role": "tool", "content": expected, "tool_call_id": body[1]["tool_calls"][0]["id"]}
    assert len(body[2]["tool_call_id"]) == 9


async def test_last_answer_is_marked_as_one_to_go_on_with() -> None:
    earlier = {"role": "assistant", "content": "Hello"}
    body = await sent(messages=[*ASKED, earlier, *ASKED, {"role": "assistant", "content": "Once"}])
    assert body["messages"][1] == earlier
    assert body["messages"][3] == {"role": "assistant", "content": "Once", "prefix": True}


async def test_answer_that_says_nothing_is_left_out() -> None:
    body = await sent(messages=[*ASKED, {"role": "assistant", "content": ""}, *ASKED])
    assert body["messages"] == [*ASKED, *ASKED]


async def test_reasoning_goes_back_within_a_tool_loop_alone() -> None:
    messages = [
        *ASKED,
        {"role": "assistant", "content": "Hello", "reasoning_content": "plain turn"},
        *ASKED,
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALLED], "reasoning_content": "in the loop"},
        {"role": "tool", "tool_call_id": "call_1", "content": "r"},
    ]
    body = (await sent(messages=messages))["messages"]
    foreign = {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "in the loop", "signature": "s"}
    messages[3]["reasoning_details"] = [foreign]
    assert (await sent(messages=messages))["messages"][3]["content"] == "Let me see."
    assert body[1] == {"role": "assistant", "content": "Hello"}
    assert body[3]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "in the loop"}]},
        {"type": "text", "text": "Let me see."},
    ]
    assert "prefix" not in body[3]


async def test_deprecated_functions_become_tools() -> None:
    called = {"name": "f", "arguments": "{}"}
    body = await sent(
        functions=[{"name": "f"}],
        function_call={"name": "f"},
        messages=[
            *ASKED,
            {"role": "assistant", "content": None, "function_call": called},
            {"role": "function", "name": "f", "content": "r"},
        ],
    )
    call = body["messages"][1]["tool_calls"][0]
    assert call["function"] == called
    assert body["messages"][2] == {"role": "tool", "content": "r", "tool_call_id": call["id"]}
    assert body["tools"][0]["function"]["name"] == "f"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert not {"functions", "function_call"} & set(body)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [*ASKED, {"role": "function", "name": "f", "content": "r"}]}, "messages[1].name"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"messages": [*ASKED, {"role": "assistant", "audio": {"id": "a"}}]}, "messages[1].audio"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://v"}}]}]},
            "messages[0].content[0]",
        ),
    ],
)
async def test_what_cannot_be_carried_is_refused_with_its_path(fields: dict, param: str) -> None:
    with pytest.raises(ProviderError) as raised:
        await sent(**fields)
    assert raised.value.kind.is_callers_fault
    assert raised.value.param == param


async def test_references_become_annotations_of_the_text_before_them() -> None:
    sources = '{"0":{"url":"https://ulm.example","title":"Ulm"},"1":{"url":"javascript:x"}}'
    messages = [
        *ASKED,
        {"role": "assistant", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_1", "content": sources},
    ]
    content = [text("It is "), text("sunny."), reference(0, 1, 7), text(" Go out.")]
    for body, streamed in ((exchanges.whole(content), False), (exchanges.stream(content), True)):
        adapter = MistralAdapter(PlayedTransport(Played([body])))
        if streamed:
            stream = await adapter.chat_stream(request(messages=messages), call_of())
            deltas = [chunk.choices[0].delta async for chunks in stream for chunk in chunks]
            found = [item for delta in deltas for item in delta.annotations or ()]
            said = "".join(delta.content or "" for delta in deltas)
        else:
            message = (await adapter.chat(request(messages=messages), call_of())).body.choices[0].message
            found, said = message.annotations, message.content
        assert said == "It is sunny. Go out."
        cited = [item.url_citation for item in found]
        assert [(one.start_index, one.end_index, one.url, one.title) for one in cited] == [
            (0, 12, "https://ulm.example", "Ulm")
        ]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("address", ["https://ulm.example/a.png", {"url": "https://ulm.example/a.png"}])
async def test_images_among_the_content_reach_the_client(address: object, streamed: bool) -> None:
    content = [{"type": "text", "text": "Here."}, {"type": "image_url", "image_url": address}, {"type": "file"}]
    choice = {"index": 0, "finish_reason": "stop", "delta" if streamed else "message": {"content": content}}
    kind = "chat.completion.chunk" if streamed else "chat.completion"
    body = json.dumps({"id": "m", "object": kind, "model": "m", "choices": [choice]}).encode()
    played = PlayedTransport(Played([b"data: " + body + b"\n\ndata: [DONE]\n\n" if streamed else body]))
    if streamed:
        stream = await MistralAdapter(played).chat_stream(request(), call_of())
        said = [chunk.choices[0].delta async for chunks in stream for chunk in chunks]
    else:
        said = [(await MistralAdapter(played).chat(request(), call_of())).body.choices[0].message]
    assert "".join(piece.content or "" for piece in said) == "Here."
    assert [image.image_url.url for piece in said for image in piece.images or ()] == ["https://ulm.example/a.png"]


async def test_usage_counts_cached_tokens_in_either_place() -> None:
    adapter = MistralAdapter(PlayedTransport(Played([exchanges.whole("Hi")])))
    usage = (await adapter.chat(request(), call_of())).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (20, 9, 4)


@pytest.mark.parametrize(
    ("status", "body", "kind", "param"),
    [
        (401, {"detail": "Invalid API Key"}, ErrorKind.CREDENTIALS, None),
        (
            400,
            {"message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
            ErrorKind.MODEL_NOT_FOUND,
            None,
        ),
        (
            400,
            {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
            ErrorKind.CONTEXT_LENGTH,
            None,
        ),
        (
            400,
            {"message": "Not the same number of function calls and responses", "code": "3230"},
            ErrorKind.INVALID_TOOL_HISTORY,
            None,
        ),
        (
            429,
            {"message": "Service tier capacity exceeded for this model.", "code": "3505"},
            ErrorKind.RATE_LIMIT,
            None,
        ),
        (
            422,
            {"detail": [{"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required"}]},
            ErrorKind.INVALID_REQUEST,
            "messages[0].content",
        ),
        (500, "<html>", ErrorKind.SERVER_ERROR, None),
    ],
)
async def test_error_has_its_kind_and_path(status: int, body: object, kind: ErrorKind, param: str | None) -> None:
    error = await failed(status, body)
    assert (error.kind, error.param, error.status) == (kind, param, status)
    assert error.upstream_request_id == "c-1"


def test_operations_are_those_that_the_platform_has() -> None:
    assert registry.operations(MistralAdapter) == {"chat", "embeddings", "model_discovery"}
