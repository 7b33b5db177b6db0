"""What OpenRouter has of its own: routing by the operator, comments, opaque reasoning, images, costs, nested errors."""

import json

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret
from adapters.conformance import ConformanceCase, check
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure
from adapters.openrouter import OpenRouterAdapter
from adapters.openrouter.errors import to_error
from schemas.chat_request import ChatRequest

ASKED = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cost": 0.00012, "is_byok": False}
HEAD = {"id": "gen-1", "provider": "Amazon Bedrock", "model": "anthropic/claude-4.6", "created": 1_760_000_000}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}, "index": 0}
SOURCE = {"url": "https://ulm.example", "title": "Ulm", "start_index": 0, "end_index": 5, "content": "…"}
CALLED = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED = {
    "type": "reasoning.text",
    "format": "anthropic-claude-v1",
    "index": 0,
    "text": "Hm, Ulm.",
    "signature": "c2ln",
}
HIDDEN = {"type": "reasoning.encrypted", "format": "xai-responses-v1", "index": 0, "id": "rs_1", "data": "b3BhcXVl"}
MESSAGES = {
    "text": ({"content": "Sunny, 21 °C."}, "stop", "end_turn"),
    "signed reasoning": ({"content": "Sunny.", "reasoning": "Hm, Ulm.", "reasoning_details": [SIGNED]}, "stop", "end"),
    "encrypted reasoning and a call": (
        {"content": "", "reasoning_details": [HIDDEN], "tool_calls": [{**CALLED, "index": 0}]},
        "tool_calls",
        "completed",
    ),
    "sources": (
        {"content": "Sunny.", "annotations": [{"type": "url_citation", "url_citation": SOURCE}]},
        "stop",
        "stop",
    ),
    "an image": ({"content": "Here.", "images": [IMAGE]}, "stop", "STOP"),
    "a refusal": ({"content": None, "refusal": "I cannot."}, "stop", "refusal"),
}
ERROR = {
    "error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "boom", "provider_name": "X"}}
}
COMMENT = b": OPENROUTER PROCESSING\n\n"


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def whole(message: dict, finish: str, native: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    choice["native_finish_reason"] = native
    return encode({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def stream(message: dict, finish: str, native: str) -> bytes:
    thoughts = {name: value for name, value in message.items() if name.startswith("reasoning")}
    others = [{name: value} for name, value in message.items() if value and name not in thoughts]
    deltas = [{"role": "assistant", "content": "", **thoughts}, *others]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {"content": ""}, "finish_reason": finish, "native_finish_reason": native})
    head = {**HEAD, "object": "chat.completion.chunk"}
    items = [{**head, "choices": [choice]} for choice in choices]
    items.append({**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}], "usage": USAGE})
    return COMMENT + b"".join(b"data: " + encode(item) + b"\n\n" for item in items) + b"data: [DONE]\n\n"


def deployment(**fields) -> Deployment:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "openrouter", "upstream_model": "z-ai/glm-4.6"}
    return Deployment(**{**base, "credential": Secret("sk-or-canary"), **fields})


def call_of(extra: dict | None = None, **fields) -> Call:
    raw = {name: msgspec.Raw(encode(value)) for name, value in (extra or {}).items()}
    return Call(deployment=deployment(**fields), request_id="r", deadline=1e9, extra_params=raw)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


@pytest.mark.parametrize("name", MESSAGES)
async def test_openrouter_every_form_of_answer_conforms(name: str) -> None:
    await check(
        ConformanceCase(
            name=name,
            adapter=OpenRouterAdapter,
            deployment=deployment(base_url="https://upstream.example/v1"),
            request=request(),
            whole=whole(*MESSAGES[name]),
            stream=stream(*MESSAGES[name]),
            error_body=encode(ERROR),
            error_event=b"data: " + encode(ERROR) + b"\n\n",
        )
    )


async def test_routing_is_the_operators_and_never_the_clients() -> None:
    transport = PlayedTransport(Played([whole(*MESSAGES["text"])]))
    wanted = {"order": ["anthropic"], "data_collection": "deny"}
    extra = {"provider": {"order": ["cheapest"]}, "models": ["other/model"], "min_p": 0.1}
    result = await OpenRouterAdapter(transport).chat(
        request(), call_of(extra, options={"provider": json.dumps(wanted)})
    )
    body = json.loads(transport.requests[0].body)
    assert transport.requests[0].url == "https://openrouter.ai/api/v1/chat/completions"
    assert (body["provider"], body["min_p"], "models" in body) == (wanted, 0.1, False)
    assert set(result.dropped_params) == {"provider", "models"}
    with pytest.raises(ProviderError) as raised:
        await OpenRouterAdapter(transport).chat(request(), call_of(options={"provider": "anthropic"}))
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND


async def test_answer_keeps_cost_native_reason_and_opaque_reasoning() -> None:
    adapter = OpenRouterAdapter(PlayedTransport(Played([whole(*MESSAGES["encrypted reasoning and a call"])])))
    result = await adapter.chat(request(), call_of())
    assert json.loads(bytes(result.usage.raw))["cost"] == 0.00012
    assert (result.native_finish_reason, result.upstream_model) == ("completed", "anthropic/claude-4.6")
    (detail,) = result.body.choices[0].message.reasoning_details
    assert (detail.id, detail.format, detail.data, detail.index) == ("rs_1", "xai-responses-v1", "b3BhcXVl", 0)


async def test_opaque_reasoning_goes_back_as_it_came() -> None:
    transport = PlayedTransport(Played([whole(*MESSAGES["text"])]))
    messages = [
        *ASKED,
        {"role": "assistant", "tool_calls": [CALLED], "reasoning_details": [SIGNED, HIDDEN]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "r"},
    ]
    await OpenRouterAdapter(transport).chat(request(messages=messages), call_of())
    assert json.loads(transport.requests[0].body)["messages"][1]["reasoning_details"] == [SIGNED, HIDDEN]


@pytest.mark.parametrize("streamed", [False, True])
async def test_image_that_the_model_made_reaches_the_client(streamed: bool) -> None:
    if streamed:
        adapter = OpenRouterAdapter(PlayedTransport(Played([stream(*MESSAGES["an image"])])))
        found = await adapter.chat_stream(request(), call_of())
        deltas = [chunk.choices[0].delta async for chunks in found for chunk in chunks]
        images = [image for delta in deltas for image in delta.images or ()]
    else:
        adapter = OpenRouterAdapter(PlayedTransport(Played([whole(*MESSAGES["an image"])])))
        images = (await adapter.chat(request(), call_of())).body.choices[0].message.images
    assert [(image.index, image.image_url.url) for image in images] == [(0, IMAGE["image_url"]["url"])]


@pytest.mark.parametrize(
    ("status", "error", "kind", "words"),
    [
        (402, {"code": 402, "message": "Insufficient credits"}, ErrorKind.CREDENTIALS, "Insufficient credits"),
        (
            403,
            {"code": 403, "message": "Flagged.", "metadata": {"reasons": ["violence"], "flagged_input": "…"}},
            ErrorKind.CONTENT_POLICY,
            "Flagged.",
        ),
        (403, {"code": 403, "message": "Key limit exceeded"}, ErrorKind.CREDENTIALS, "Key limit exceeded"),
        (
            429,
            {"code": 429, "message": "Provider returned error", "metadata": {"raw": "rate-limited upstream"}},
            ErrorKind.RATE_LIMIT,
            "rate-limited upstream",
        ),
        (
            400,
            {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"message":"prompt is too long: 9 tokens"}}', "provider_name": "X"},
            },
            ErrorKind.CONTEXT_LENGTH,
            "prompt is too long: 9 tokens",
        ),
        (400, {"code": 400, "message": "x/y is not a valid model ID"}, ErrorKind.MODEL_NOT_FOUND, "x/y is not a valid"),
        (404, {"code": 404, "message": "No endpoints found for x/y."}, ErrorKind.MODEL_NOT_FOUND, "No endpoints found"),
        (502, {"code": 502, "message": "Provider returned error"}, ErrorKind.SERVER_ERROR, "Provider returned error"),
        (503, {"code": 503, "message": "No provider"}, ErrorKind.OVERLOADED, "No provider"),
    ],
)
async def test_error_has_its_kind_and_the_words_of_who_failed(
    status: int, error: dict, kind: ErrorKind, words: str
) -> None:
    adapter = OpenRouterAdapter(PlayedTransport(Played([encode({"error": error, "user_id": "u"})], status=status)))
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(request(), call_of())
    assert (raised.value.kind, raised.value.status) == (kind, status)
    assert raised.value.message.startswith(words)


async def test_error_in_the_stream_has_the_status_that_its_code_names() -> None:
    body = (
        COMMENT + b"data: " + encode({**HEAD, "error": {"code": 429, "message": "Slow down."}, "choices": []}) + b"\n\n"
    )
    stream_of = await OpenRouterAdapter(PlayedTransport(Played([body]))).chat_stream(request(), call_of())
    with pytest.raises(ProviderError) as raised:
        _ = [chunks async for chunks in stream_of]
    assert (raised.value.kind, raised.value.status) == (ErrorKind.RATE_LIMIT, 429)


FILE = {"hash": "9f2c", "name": "ulm.pdf", "content": [{"type": "text", "text": "Ulm is a city."}]}
READ = {"type": "file", "file": FILE}
BROKEN = {"type": "url_citation", "url_citation": {"url": "https://ulm.example/2"}}  # no place, no title


@pytest.mark.parametrize("streamed", [False, True])
async def test_file_that_was_read_and_what_is_cited_reach_the_client(streamed: bool) -> None:
    """https://openrouter.ai/docs/features/multimodal/pdfs: whoever sends the file's annotation back is not charged."""
    cited = {"type": "url_citation", "url_citation": SOURCE}
    message = {"content": "Sunny.", "annotations": [cited, BROKEN, READ]}
    if streamed:
        adapter = OpenRouterAdapter(PlayedTransport(Played([stream(message, "stop", "stop")])))
        found = await adapter.chat_stream(request(), call_of())
        deltas = [chunk.choices[0].delta async for chunks in found for chunk in chunks]
        notes = [note for delta in deltas for note in delta.annotations or ()]
    else:
        adapter = OpenRouterAdapter(PlayedTransport(Played([whole(message, "stop", "stop")])))
        notes = (await adapter.chat(request(), call_of())).body.choices[0].message.annotations
    assert json.loads(msgspec.json.encode(notes)) == [cited, READ]


async def test_file_that_was_read_goes_back_and_other_annotations_do_not() -> None:
    transport = PlayedTransport(Played([whole(*MESSAGES["text"])]))
    cited = {"type": "url_citation", "url_citation": SOURCE}
    answers = [[], None, [cited], [cited, READ]]
    messages = [{"role": "assistant", "content": "Sunny.", "annotations": notes} for notes in answers]
    await OpenRouterAdapter(transport).chat(request(messages=[*ASKED, *messages]), call_of())
    sent = json.loads(transport.requests[0].body)["messages"][1:]
    assert [message.get("annotations") for message in sent] == [None, None, None, [READ]]


@pytest.mark.parametrize(
    ("reset", "date", "seconds"),
    [
        ("1795788030000", "Fri, 27 Nov 2026 14:00:00 GMT", 30.0),  # in milliseconds
        ("1795788000000", "Fri, 27 Nov 2026 14:00:30 GMT", 0.0),
        ("1795788030000", None, None),
        (1795788030000, "Fri, 27 Nov 2026 14:00:00 GMT", 30.0),
        (None, "Fri, 27 Nov 2026 14:00:00 GMT", None),
        ("soon", "Fri, 27 Nov 2026 14:00:00 GMT", None),
        ("nan", "Fri, 27 Nov 2026 14:00:00 GMT", None),
        ("1e300", "Fri, 27 Nov 2026 14:00:00 GMT", None),
        ("1795788030000", "today", None),
    ],
)
def test_error_waits_until_the_limit_of_free_models_is_reset(reset: object, date: str | None, seconds: object) -> None:
    metadata = {"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}}
    body = {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min.", "metadata": metadata}}
    error = to_error(Failure(429, {} if date is None else {"date": date}, encode(body)))
    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMIT, seconds)
