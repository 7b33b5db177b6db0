"""Every recorded answer of Vertex AI, read through the adapter, means what the independent reader says."""

import asyncio
import json

import msgspec
import pytest
from upstreams import Reading, Recording, recordings
from upstreams.readers import read_body
from upstreams.recordings import all_recordings, split_events

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import STREAM_HEADERS, Played, PlayedTransport
from adapters.errors import ProviderError
from adapters.vertex import VertexAdapter
from adapters.vertex.embeddings import read_predictions
from schemas.chat_request import ChatRequest, UserMessage
from schemas.embeddings import EmbeddingRequest

# `countTokens` is no operation of the gateway.
CHAT_APIS = {
    "generateContent": "generateContent",
    "streamGenerateContent": "generateContent",
    "rawPredict": "messages",
}
REQUEST = ChatRequest(model="public", messages=[UserMessage(content="Hello")])


def chats(*, streamed: bool | None = None, ok: bool = True) -> list[Recording]:
    return [
        one
        for one in recordings(provider="vertex", streamed=streamed)
        if one.api in CHAT_APIS and (one.status == 200) is ok
    ]


def model_of(recording: Recording) -> str:
    return recording.path.rpartition("/models/")[2].partition(":")[0]


def call_for(recording: Recording) -> Call:
    location = "us-east5" if "/us-east5/" in recording.path else "global"
    return Call(
        deployment=Deployment(
            id="d",
            model="public",
            provider="vertex",
            adapter="vertex",
            upstream_model=model_of(recording),
            credential=Secret("ya29.canary-0123456789"),
            options={"project": "PROJECT", "location": location},
        ),
        request_id="r",
        deadline=asyncio.get_running_loop().time() + 30,
    )


def expected(recording: Recording) -> Reading:
    return read_body(CHAT_APIS[recording.api], recording.status, recording.body, recording.body_kind)


def comparable(reading: Reading) -> Reading:
    """The reader does not turn a blocked prompt into a refusal; usage is compared by itself."""
    return msgspec.structs.replace(reading, usage=None, refusal=None, error=None)


async def streamed_items(recording: Recording, pieces: list[bytes]) -> tuple[list[object], object]:
    transport = PlayedTransport(Played(pieces, headers=STREAM_HEADERS))
    stream = await VertexAdapter(transport).chat_stream(REQUEST, call_for(recording))
    try:
        items: list[object] = [item async for batch in stream for item in batch]
    finally:
        await stream.aclose()
    assert stream.finished
    assert transport.all_released
    return items, stream.usage


def assert_usage(ours, reading: Reading, name: str) -> None:
    theirs = reading.usage
    if theirs is None:
        assert ours.prompt_tokens is None, name
        return
    assert ours.violations() == (), name
    counted = (ours.prompt_tokens, ours.completion_tokens or 0, ours.cached_tokens or 0, ours.reasoning_tokens or 0)
    assert counted == (theirs.prompt, theirs.completion, theirs.cached or 0, theirs.reasoning or 0), name


def test_recordings_are_all_of_an_api_that_is_tested_here() -> None:
    apis = [one.api for one in all_recordings() if one.provider == "vertex"]
    others = [api for api in apis if api not in CHAT_APIS]
    assert len(apis) - len(others) == len(chats()) + len(chats(ok=False)) >= 21
    assert set(others) <= {"count_tokens", "embedContent", "predict"}


async def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    found = chats(streamed=False)
    assert len(found) >= 14
    for one in found:
        transport = PlayedTransport(Played([one.body]))
        result = await VertexAdapter(transport).chat(REQUEST, call_for(one))
        reading = read_body("chat.completions", 200, msgspec.json.encode(result.body), "json")
        assert comparable(reading) == comparable(expected(one)), one.name
        assert_usage(result.usage, expected(one), one.name)
        url = transport.requests[0].url
        assert url.split("/v1/", 1)[1].split("/locations/")[0] == "projects/PROJECT"
        assert url.rpartition("/publishers/")[2] == one.path.rpartition("/publishers/")[2].partition("?")[0], one.name


async def test_stream_of_every_recording_means_what_the_reader_says() -> None:
    found = chats(streamed=True)
    assert len(found) >= 6
    for one in found:
        items, usage = await streamed_items(one, [one.body])
        events = b"".join(b"data: " + msgspec.json.encode(item) + b"\n\n" for item in items)
        assert comparable(read_body("chat.completions", 200, events, "sse")) == comparable(expected(one)), one.name
        assert_usage(usage, expected(one), one.name)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_stream_of_every_recording_split_anywhere_gives_the_same_chunks(line_end: bytes) -> None:
    for one in chats(streamed=True):
        whole, usage = await streamed_items(one, [one.body])
        body = one.body.replace(b"\r\n", b"\n").replace(b"\n", line_end)
        for step in (1, 7):
            if len(body) // step > 20_000:
                continue  # every byte of the short ones, every seventh of the long ones
            pieces = [body[start : start + step] for start in range(0, len(body), step)]
            items, other = await streamed_items(one, pieces)
            joined = [msgspec.structs.replace(item, created=0) for item in items]
            assert joined == [msgspec.structs.replace(item, created=0) for item in whole], (one.name, step)
            assert other == usage


async def test_stream_of_every_recording_cut_before_its_end_is_an_error() -> None:
    for one in chats(streamed=True):
        events = split_events(one.body)
        last = next(
            index for index, event in enumerate(events) if b'"finishReason"' in event or b'"stop_reason":"' in event
        )
        for count in range(last + 1):
            with pytest.raises(ProviderError):
                await streamed_items(one, list(events[:count]))


async def test_answer_of_every_recording_cut_or_mutated_raises_nothing_but_provider_errors() -> None:
    for one in chats(streamed=False):
        body = one.body
        for start in range(0, len(body), max(1, len(body) // 40)):
            for broken in (body[:start], body[:start] + b"7" + body[start + 1 :], body[:start] + body[start + 1 :]):
                assert await kind_of(one, broken) in {None, "bad_response", "server_error"}, one.name


async def kind_of(recording: Recording, body: bytes) -> str | None:
    """The kind of error that a body gives; anything but a `ProviderError` escapes."""
    try:
        await VertexAdapter(PlayedTransport(Played([body]))).chat(REQUEST, call_for(recording))
    except ProviderError as error:
        return error.kind
    return None


async def test_error_of_every_recording_keeps_status_and_words() -> None:
    found = chats(ok=False)
    assert len(found) >= 1
    for one in found:
        transport = PlayedTransport(Played([one.body], status=one.status))
        with pytest.raises(ProviderError) as caught:
            await VertexAdapter(transport).chat(REQUEST, call_for(one))
        assert (caught.value.status, caught.value.kind) == (one.status, "context_length")
        assert caught.value.message == json.loads(one.body)["error"]["message"]


async def test_embeddings_of_every_recording_are_its_vectors_and_tokens() -> None:
    found = [one for one in recordings(provider="vertex", status=200) if one.api in {"predict", "embedContent"}]
    assert len(found) >= 4
    for one in found:
        answer = json.loads(one.body)
        wanted = EmbeddingRequest(model="public", input="x")
        transport = PlayedTransport(Played([one.body]))
        result = await VertexAdapter(transport).embeddings(wanted, call_for(one))
        if one.api == "predict":
            embedding = answer["predictions"][0]["embeddings"]
            vector, tokens = embedding["values"], embedding["statistics"]["token_count"]
        else:
            vector, tokens = answer["embedding"]["values"], answer["usageMetadata"]["promptTokenCount"]
        assert result.body.data[0].embedding == vector, one.name
        assert (result.usage.prompt_tokens, result.usage.source) == (tokens, "provider"), one.name
        assert transport.requests[0].url.rpartition(":")[2] == one.path.rpartition(":")[2], one.name


def test_predictions_of_every_recording_cut_raise_nothing_but_provider_errors() -> None:
    for one in recordings("predict", provider="vertex"):
        for start in range(0, len(one.body), max(1, len(one.body) // 40)):
            with pytest.raises(ProviderError):
                read_predictions(one.body[:start], ["x"])
