"""URLs, the key, extra fields, embeddings and the model list."""

import asyncio
import base64
import json
import struct

import msgspec
import pytest

from adapters import held, registry
from adapters.base import Call, Deployment
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.errors import ProviderError
from adapters.google import GoogleAdapter
from adapters.transport import Request, UpstreamResponse
from schemas.embeddings import EmbeddingRequest
from tests.adapters.google import exchanges
from tests.adapters.google.translate import deployment, request


class Scripted(PlayedTransport):
    """Answers each request with the next body."""

    def __init__(self, *bodies: object) -> None:
        super().__init__(None)
        self._bodies = list(bodies)

    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        body = self._bodies.pop(0)
        response = PlayedResponse(Played([body if isinstance(body, bytes) else exchanges.encode(body)]))
        self.responses.append(response)
        return response


def call_of(of: Deployment, **fields) -> Call:
    return Call(deployment=of, request_id="r-1", deadline=asyncio.get_running_loop().time() + 10, **fields)


async def chatted(of: Deployment, **fields) -> Request:
    transport = Scripted(exchanges.whole(exchanges.text("x")))
    await GoogleAdapter(transport).chat(request(), call_of(of, **fields))
    assert transport.all_released
    return transport.requests[0]


@pytest.mark.parametrize(
    ("base_url", "model", "url"),
    [
        (
            "",
            "gemini-3.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash:generateContent",
        ),
        ("https://h.example/google", "models/a", "https://h.example/google/v1beta/models/a:generateContent"),
        ("https://h.example/v1", "tunedModels/a", "https://h.example/v1/tunedModels/a:generateContent"),
        ("https://h.example/v1", "a:b?key=1#x", "https://h.example/v1/models/a%3Ab%3Fkey%3D1%23x:generateContent"),
    ],
)
async def test_adapter_url_names_the_model(base_url: str, model: str, url: str) -> None:
    sent = await chatted(deployment(model, base_url=base_url))
    assert sent.url == url


@pytest.mark.parametrize("model", ["..", "models/..", "a/b", "models/a/b", "", "../x"])
async def test_adapter_model_that_would_leave_the_path_is_refused(model: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await chatted(deployment(model))
    assert caught.value.kind == "model_not_found"


async def test_adapter_key_travels_in_its_header_alone() -> None:
    sent = await chatted(deployment(headers={"x-goog-user-project": "p"}))
    assert (b"x-goog-api-key", b"canary-0123456789") in sent.headers
    assert (b"x-goog-user-project", b"p") in sent.headers
    assert "canary" not in sent.url
    assert b"canary" not in sent.body


async def test_adapter_without_credential_is_a_credentials_error() -> None:
    with pytest.raises(ProviderError) as caught:
        await chatted(deployment(credential=None))
    assert caught.value.kind == "credentials"


async def test_adapter_unknown_fields_are_dropped_or_forwarded_as_configured() -> None:
    extra = {"safetySettings": msgspec.Raw(b'[{"category":"c"}]'), "contents": msgspec.Raw(b"[]")}
    forwarded = json.loads((await chatted(deployment(extra_params="forward"), extra_params=extra)).body)
    assert forwarded["safetySettings"] == [{"category": "c"}]
    assert forwarded["contents"] != []
    snake = {"system_instruction": msgspec.Raw(b"{}"), "tool_config": msgspec.Raw(b"{}")}
    sent = json.loads((await chatted(deployment(extra_params="forward"), extra_params=snake)).body)
    assert not {"system_instruction", "tool_config"} & set(sent)
    assert "safetySettings" not in json.loads((await chatted(deployment(), extra_params=extra)).body)
    with pytest.raises(ProviderError):
        await chatted(deployment(extra_params="reject"), extra_params=extra)


@pytest.mark.parametrize(
    "name",
    [
        "cachedContent", "cached_content", "CachedContent", "system_instruction", "generation_config",
        "generationconfig", "tool_config", "service_tier", "Model", "Contents",
    ],
)  # fmt: skip
async def test_adapter_fields_that_replace_the_translation_are_never_forwarded(name: str) -> None:
    """Cached content is the account's: it holds other callers' prompts, and instructions that nobody here has seen."""
    plain = json.loads((await chatted(deployment(extra_params="forward"))).body)
    extra = {name: msgspec.Raw(b'"cachedContents/1"')}
    assert json.loads((await chatted(deployment(extra_params="forward"), extra_params=extra)).body) == plain
    with pytest.raises(ProviderError):
        await chatted(deployment(extra_params="reject"), extra_params=extra)


async def test_adapter_safety_settings_are_forwarded_in_either_spelling() -> None:
    for name in ("safetySettings", "safety_settings"):
        extra = {name: msgspec.Raw(b"[]")}
        assert json.loads((await chatted(deployment(extra_params="forward"), extra_params=extra)).body)[name] == []


async def test_adapter_stream_that_came_as_a_list_is_read() -> None:
    events = [json.loads(one[5:]) for one in exchanges.stream(exchanges.text("Sunny.")).split(b"\r\n\r\n") if one]
    transport = Scripted(events)
    stream = await GoogleAdapter(transport).chat_stream(request(), call_of(deployment()))
    chunks = [chunk async for batch in stream for chunk in batch]
    await stream.aclose()
    assert transport.requests[0].url.endswith(":streamGenerateContent?alt=sse")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Sunny."
    assert stream.finished
    assert transport.all_released


@pytest.mark.parametrize("body", [exchanges.ERROR, [exchanges.ERROR], b"{", b"[]", b""])
async def test_adapter_stream_that_came_as_an_error_is_one(body: object) -> None:
    stream = await GoogleAdapter(Scripted(body)).chat_stream(request(), call_of(deployment()))
    with pytest.raises(ProviderError) as caught:
        [batch async for batch in stream]
    await stream.aclose()
    assert caught.value.kind == ("bad_response" if isinstance(body, bytes) else "overloaded")
    assert not stream.finished


# --- embeddings


@pytest.mark.parametrize("body", [exchanges.ERROR, [exchanges.ERROR]])
@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "text/event-stream"])
async def test_adapter_error_document_in_the_place_of_a_stream_is_the_providers_error(
    body: object, content_type: str
) -> None:
    """TRAPS 19."""
    played = Played([json.dumps(body, indent=1).encode()], headers={"content-type": content_type})
    stream = await GoogleAdapter(PlayedTransport(played)).chat_stream(request(), call_of(deployment()))
    with pytest.raises(ProviderError) as caught:
        await anext(aiter(stream))
    await stream.aclose()
    assert caught.value.kind == "overloaded"


async def test_adapter_stream_whose_text_grows_beyond_the_bound_is_a_bad_response(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 1000)
    event = json.dumps({"candidates": [{"index": 0, "content": {"parts": [{"text": "x" * 600}]}}]}).encode()
    played = Played([b"data: " + event + b"\n\n"] * 2, headers={"content-type": "text/event-stream"})
    stream = await GoogleAdapter(PlayedTransport(played)).chat_stream(request(), call_of(deployment()))
    assert len(await anext(aiter(stream))) > 0
    with pytest.raises(ProviderError) as caught:
        await anext(stream)
    await stream.aclose()
    assert caught.value.kind == "bad_response"


async def embedded(transport: Scripted, **fields) -> tuple[dict, object]:
    wanted = EmbeddingRequest(model="public", **fields)
    result = await GoogleAdapter(transport).embeddings(wanted, call_of(deployment("gemini-embedding-001")))
    return json.loads(msgspec.json.encode(result.body)), result


async def test_adapter_one_text_is_embedded_with_estimated_usage() -> None:
    transport = Scripted({"embedding": {"values": [0.5, -1]}})
    body, result = await embedded(transport, input="Grüße", dimensions=2, user="u")
    assert transport.requests[0].url.endswith("/models/gemini-embedding-001:embedContent")
    assert json.loads(transport.requests[0].body) == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "Grüße"}]},
        "outputDimensionality": 2,
    }
    assert body["data"] == [{"embedding": [0.5, -1.0], "index": 0, "object": "embedding"}]
    assert body["usage"] == {"prompt_tokens": 2, "total_tokens": 2}  # seven bytes
    assert (result.usage.source, result.dropped_params) == ("estimated", ("user",))


async def test_adapter_many_texts_are_embedded_in_batches_with_reported_usage() -> None:
    batches = [
        {"embeddings": [{"values": [number]} for number in range(start, end)], "usageMetadata": {"promptTokenCount": 9}}
        for start, end in ((0, 100), (100, 130))
    ]
    transport = Scripted(*batches)
    body, result = await embedded(transport, input=[f"text {number}" for number in range(130)])
    assert [len(json.loads(sent.body)["requests"]) for sent in transport.requests] == [100, 30]
    assert all(sent.url.endswith(":batchEmbedContents") for sent in transport.requests)
    assert [one["embedding"][0] for one in body["data"]] == list(range(130))
    assert (result.usage.prompt_tokens, result.usage.source) == (18, "provider")


async def test_adapter_vectors_in_base64_are_little_endian_floats() -> None:
    body, _ = await embedded(Scripted({"embedding": {"values": [0.5, -1]}}), input="x", encoding_format="base64")
    assert struct.unpack("<2f", base64.b64decode(body["data"][0]["embedding"])) == (0.5, -1.0)


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]], []])
async def test_adapter_tokens_cannot_be_embedded(given: list) -> None:
    with pytest.raises(ProviderError) as caught:
        await embedded(Scripted(), input=given)
    assert (caught.value.kind, caught.value.param) == ("invalid_request", "input")


@pytest.mark.parametrize(
    "answer", [{}, {"embeddings": []}, {"embedding": {"values": ["x"]}}, b"<html>", exchanges.ERROR]
)
async def test_adapter_vectors_that_lack_are_no_answer(answer: object) -> None:
    with pytest.raises(ProviderError) as caught:
        await embedded(Scripted(answer), input="x")
    assert caught.value.kind in {"bad_response", "overloaded"}


# --- models


async def test_adapter_model_list_is_read_over_all_pages() -> None:
    pages = [
        {
            "models": [
                {"name": "models/gemini-b", "supportedGenerationMethods": ["generateContent"]},
                {"name": "models/imagen", "supportedGenerationMethods": ["predict"]},
            ],
            "nextPageToken": "a/b&c",
        },
        {"models": [{"name": "models/embed-a", "supportedGenerationMethods": ["embedContent"]}]},
    ]
    transport = Scripted(*pages)
    found = await GoogleAdapter(transport).list_models(call_of(deployment()))
    assert found == ("embed-a", "gemini-b")
    assert transport.requests[1].url.endswith("/models?pageSize=1000&pageToken=a%2Fb%26c")


async def test_adapter_model_list_without_end_is_an_error() -> None:
    transport = Scripted(*[{"models": [], "nextPageToken": "again"}] * 60)
    with pytest.raises(ProviderError) as caught:
        await GoogleAdapter(transport).list_models(call_of(deployment()))
    assert caught.value.kind == "bad_response"
    assert len(transport.requests) == 50


def test_adapter_is_registered_with_its_operations() -> None:
    assert registry.adapter_class("google") is GoogleAdapter
    assert registry.operations(GoogleAdapter) == {"chat", "embeddings", "model_discovery"}
