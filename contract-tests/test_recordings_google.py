"""Every recorded answer of Gemini and Vertex AI, read through the adapter, means what the independent reader says."""

import asyncio

import msgspec
from streamed import Streamed
from upstreams import Reading, Recording, Upstream, recordings
from upstreams.readers import read, read_body
from upstreams.reading import Usage as ReadUsage
from upstreams.recordings import split_events

from adapters.base import Call, Deployment, Secret
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.google import GoogleAdapter
from adapters.google.embeddings import read_vectors
from adapters.google.errors import to_error
from adapters.google.list_response import to_events
from adapters.google.response import Expected, to_chat_completion
from adapters.google.stream import ChunkTranslator
from adapters.google.tools import NAMES
from adapters.http1 import Http1Transport
from adapters.tool_names import ToolNames
from schemas.chat_request import ChatRequest, UserMessage
from schemas.usage import Usage

EXPECTED = Expected(model="public", request_id="r", created=1_700_000_000, names=ToolNames(NAMES))


def answers(*, streamed: bool) -> list[Recording]:
    found = recordings(dialect="google", status=200, streamed=streamed)
    return [candidate for candidate in found if candidate.api != "embedContent"]


def comparable(reading: Reading) -> Reading:
    """Leave out usage, compared below, citations (`test_gateway_recordings.py`) and what a blocked prompt becomes."""
    others = tuple(comparable(other) for other in reading.others)
    return msgspec.structs.replace(reading, usage=None, refusal=None, others=others, error=None, citations=())


def assert_usage(ours: Usage | None, theirs: ReadUsage | None, name: str) -> None:
    if theirs is None:
        assert ours is None or ours == Usage(), name
        return
    assert ours is not None, name
    assert ours.violations() == (), name
    counted = (ours.prompt_tokens, ours.completion_tokens or 0, ours.cached_tokens, ours.reasoning_tokens)
    assert counted == (theirs.prompt, theirs.completion, theirs.cached, theirs.reasoning), name


def translated(pieces: list[bytes]) -> Streamed:
    return Streamed(ChunkTranslator(EXPECTED), pieces)


def events_of(candidate: Recording) -> bytes:
    return candidate.body if candidate.body_kind == "sse" else to_events(candidate.body)


def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    found = answers(streamed=False)
    assert len(found) >= 24
    for candidate in found:
        result = to_chat_completion(candidate.body, EXPECTED)
        reading = read_body("chat.completions", 200, msgspec.json.encode(result.body), "json")
        assert comparable(reading) == comparable(read(candidate)), candidate.name
        assert_usage(result.usage, read(candidate).usage, candidate.name)


def test_stream_of_every_recording_means_what_the_reader_says() -> None:
    found = answers(streamed=True)
    assert len(found) >= 20
    for candidate in found:
        streamed = translated([events_of(candidate)])
        assert streamed.error is None, (candidate.name, streamed.error)
        assert streamed.finished
        assert comparable(streamed.reading()) == comparable(read(candidate)), candidate.name
        assert_usage(streamed.usage, read(candidate).usage, candidate.name)


def test_stream_of_every_recording_cut_before_its_last_event_is_not_finished() -> None:
    for candidate in answers(streamed=True):
        events = split_events(events_of(candidate))
        for count in range(len(events)):
            cut = translated(list(events[:count]))
            assert cut.error is not None, (candidate.name, count)
            assert not cut.finished


def test_answer_of_every_recording_cut_or_mutated_raises_nothing_but_provider_errors() -> None:
    for candidate in answers(streamed=False):
        body = candidate.body
        for start in range(0, len(body), max(1, len(body) // 40)):
            for broken in (body[:start], body[:start] + b"7" + body[start + 1 :], body[:start] + body[start + 1 :]):
                assert kind_of(broken) in {None, "bad_response", "server_error"}, candidate.name


def kind_of(body: bytes) -> str | None:
    """The kind of error that a body gives; anything but a `ProviderError` escapes."""
    try:
        to_chat_completion(body, EXPECTED)
    except ProviderError as error:
        return error.kind
    return None


def test_embeddings_of_every_recording_mean_what_the_reader_says() -> None:
    found = recordings("embedContent", status=200)
    assert len(found) >= 2
    for candidate in found:
        vectors, usage = read_vectors(candidate.body, ["x"] * len(read(candidate).vectors))
        assert tuple(map(tuple, vectors)) == read(candidate).vectors, candidate.name
        assert_usage(usage, read(candidate).usage, candidate.name)


def test_error_of_every_recording_keeps_status_and_words() -> None:
    found = [candidate for candidate in recordings(dialect="google") if candidate.status != 200]
    assert len(found) >= 12
    kinds = {404: "model_not_found", 429: "rate_limit", 400: "context_length"}
    for candidate in found:
        error = to_error(Failure(candidate.status, dict(candidate.response_headers), candidate.body))
        expected = read(candidate).error
        assert expected is not None
        assert error.status == candidate.status, candidate.name
        assert error.message[:20] == expected.message[:20], candidate.name
        assert error.kind == kinds[candidate.status], candidate.name


async def test_adapter_against_the_replaying_provider_reads_both_forms(google_upstream: Upstream) -> None:
    whole = next(candidate for candidate in answers(streamed=False) if candidate.provider == "gemini")
    listed = next(candidate for candidate in answers(streamed=True) if candidate.body_kind != "sse")
    transport = Http1Transport()
    try:
        adapter = GoogleAdapter(transport)
        call = Call(
            deployment=Deployment(
                id="d",
                model="public",
                provider="google",
                adapter="google",
                upstream_model="gemini-2.5-flash",
                base_url=google_upstream.url,
                credential=Secret(google_upstream.dialect.key),
            ),
            request_id="r",
            deadline=asyncio.get_running_loop().time() + 20,
        )
        request = ChatRequest(model="public", messages=[UserMessage(content="Hello")])
        google_upstream.script(whole, listed)
        result = await adapter.chat(request, call)
        stream = await adapter.chat_stream(request, call)
        chunks = [chunk async for batch in stream for chunk in batch]
        await stream.aclose()
    finally:
        await transport.aclose()
    assert result.body.choices[0].message.content == (read(whole).text or None)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == read(listed).text
    assert stream.finished
