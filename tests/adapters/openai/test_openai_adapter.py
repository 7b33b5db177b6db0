"""OpenAI's adapter over a transport in memory: where requests go, with which headers, and what comes back."""

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.openai import OpenAIAdapter
from schemas.chat_request import ChatRequest, UserMessage
from schemas.completions import CompletionRequest
from schemas.embeddings import EmbeddingRequest

CHAT = ChatRequest(model="public", messages=[UserMessage(content="Hi")])
ANSWER = b'{"id":"a","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
TEXT = b'{"id":"a","choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}'
CHUNKS = (
    b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


def call_of(**fields: object) -> Call:
    deployment = {
        "id": "d",
        "model": "public",
        "provider": "p",
        "adapter": "openai",
        "upstream_model": "up",
        "credential": Secret("canary"),
        **fields,
    }
    return Call(deployment=Deployment(**deployment), request_id="r", deadline=1e9)


async def test_adapter_chat_goes_to_openai_with_the_key() -> None:
    transport = PlayedTransport(Played([ANSWER]))
    result = await OpenAIAdapter(transport).chat(CHAT, call_of(headers={"OpenAI-Organization": "org"}))
    request = transport.requests[0]
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert dict(request.headers) == {
        b"content-type": b"application/json",
        b"authorization": b"Bearer canary",
        b"openai-organization": b"org",
    }
    assert msgspec.json.decode(request.body)["model"] == "up"
    assert (result.body.id, result.body.model, result.body.choices[0].message.content) == ("a", "public", "Hi")
    assert transport.all_released


async def test_adapter_chat_names_what_it_dropped() -> None:
    request = msgspec.structs.replace(CHAT, top_k=3)
    adapter = OpenAIAdapter(PlayedTransport(Played([ANSWER])))
    assert (await adapter.chat(request, call_of())).dropped_params == ("top_k",)
    stream = await OpenAIAdapter(PlayedTransport(Played([CHUNKS]))).chat_stream(request, call_of())
    assert stream.dropped_params == ("top_k",)
    await stream.aclose()


async def test_adapter_streams_chat_and_completions_to_their_end() -> None:
    adapter = OpenAIAdapter(PlayedTransport(Played([CHUNKS])))
    stream = await adapter.chat_stream(CHAT, call_of())
    chunks = [chunk async for burst in stream for chunk in burst]
    await stream.aclose()
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Hi", msgspec.UNSET]
    assert stream.finished
    assert stream.usage is not None
    assert stream.usage.total_tokens == 3
    body = CHUNKS.replace(b'"delta":{"content":"Hi"}', b'"text":"Hi"')
    texts = await OpenAIAdapter(PlayedTransport(Played([body]))).completion_stream(
        CompletionRequest(model="public", prompt="p"), call_of()
    )
    assert [chunk.choices[0].text async for burst in texts for chunk in burst] == ["Hi"]
    await texts.aclose()


async def test_adapter_other_operations_have_their_own_paths() -> None:
    call = call_of(base_url="http://127.0.0.1:1/prefix/v1")
    transport = PlayedTransport(Played([TEXT]))
    result = await OpenAIAdapter(transport).completion(CompletionRequest(model="public", prompt="p"), call)
    assert result.body.choices[0].text == "Hi"
    assert transport.requests[0].url == "http://127.0.0.1:1/prefix/v1/completions"
    transport = PlayedTransport(Played([b'{"data":[{"embedding":[0.5],"index":0}]}']))
    vectors = await OpenAIAdapter(transport).embeddings(EmbeddingRequest(model="public", input="a"), call)
    assert vectors.body.data[0].embedding == [0.5]
    assert transport.requests[0].url == "http://127.0.0.1:1/prefix/v1/embeddings"
    transport = PlayedTransport(Played([b'{"data":[{"id":"b"},{"id":"a"}]}']))
    assert await OpenAIAdapter(transport).list_models(call) == ("a", "b")
    assert (transport.requests[0].method, transport.requests[0].url) == ("GET", "http://127.0.0.1:1/prefix/v1/models")


@pytest.mark.parametrize("credential", [None, Secret("")])
async def test_adapter_without_credential_sends_nothing(credential: Secret | None) -> None:
    transport = PlayedTransport(Played([ANSWER]))
    with pytest.raises(ProviderError) as raised:
        await OpenAIAdapter(transport).chat(CHAT, call_of(credential=credential))
    assert raised.value.kind is ErrorKind.CREDENTIALS
    assert transport.requests == []


async def test_adapter_failure_is_released_and_told_apart() -> None:
    transport = PlayedTransport(Played([b'{"error":{"message":"slow"}}'], status=429, headers={"retry-after": "3"}))
    with pytest.raises(ProviderError) as raised:
        await OpenAIAdapter(transport).chat_stream(CHAT, call_of())
    assert (raised.value.kind, raised.value.retry_after_s) == (ErrorKind.RATE_LIMIT, 3.0)
    assert transport.all_released


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"message":"slow down","type":"x","code":"rate_limit_exceeded"}}', ErrorKind.RATE_LIMIT),
        (b'{\n  "error": {"message": "boom", "code": 503}\n}', ErrorKind.OVERLOADED),
        (b'{"object":"error","message":"no","code":400}', ErrorKind.INVALID_REQUEST),
        (b'{"error":', ErrorKind.BAD_RESPONSE),
    ],
)
async def test_adapter_error_document_in_the_place_of_a_stream_is_the_providers_error(
    content_type: str, body: bytes, kind: ErrorKind
) -> None:
    """TRAPS 19."""
    played = Played([body[:9], body[9:]], headers={"content-type": content_type})
    for request in (CHAT, CompletionRequest(model="public", prompt="p")):
        transport = PlayedTransport(played)
        adapter = OpenAIAdapter(transport)
        opening = adapter.chat_stream if isinstance(request, ChatRequest) else adapter.completion_stream
        stream = await opening(request, call_of())
        with pytest.raises(ProviderError) as raised:
            await anext(aiter(stream))
        await stream.aclose()
        assert (raised.value.kind, stream.finished, transport.all_released) == (kind, False, True)


async def test_adapter_whole_answer_in_the_place_of_a_stream_is_streamed() -> None:
    stream = await OpenAIAdapter(PlayedTransport(Played([ANSWER]))).chat_stream(CHAT, call_of())
    deltas = [chunk.choices[0] async for burst in stream for chunk in burst]
    assert "".join(delta.delta.content or "" for delta in deltas) == "Hi"
    assert (deltas[-1].finish_reason, stream.finished) == ("stop", True)
