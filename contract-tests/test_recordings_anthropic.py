"""Every recorded Messages answer, read through the adapter, means what the independent reader says."""

import contextlib
import json

import msgspec
import pytest
from streamed import Streamed
from upstreams import Reading, Recording, recordings
from upstreams.readers import read, read_body
from upstreams.reading import Usage as ReadUsage
from upstreams.recordings import reported_errors, split_events

from adapters.anthropic.errors import to_error
from adapters.anthropic.request import Translation, to_messages_request
from adapters.anthropic.response import Answer
from adapters.anthropic.stream import MessagesToChunks
from adapters.base import Call, Deployment
from adapters.chunks import ChunkBuilder
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.sse import Event, SseParser
from schemas.chat_request import ChatRequest
from schemas.usage import Usage

CREATED = 1_700_000_000
EXPECTED = 50


def of_api() -> list[Recording]:
    found = [candidate for candidate in recordings("messages") if candidate.dialect == "anthropic"]
    assert len(found) >= EXPECTED
    return found


def translation() -> Translation:
    request = msgspec.json.decode(b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}', type=ChatRequest)
    deployment = Deployment(id="d", model="m", provider="p", adapter="anthropic", upstream_model="claude-opus-4-5")
    return to_messages_request(request, Call(deployment=deployment, request_id="r", deadline=0.0), stream=True)


def comparable(reading: Reading) -> Reading:
    """Usage is compared by itself; a refusal without words has words of ours."""
    refusal = bool(reading.refusal) or reading.finish == "content_filter"
    return msgspec.structs.replace(reading, usage=None, error=None, refusal="refused" if refusal else None)


def assert_usage(ours: Usage | None, theirs: ReadUsage | None, name: str) -> None:
    assert ours is not None, name
    assert theirs is not None, name
    assert ours.violations() == (), name
    assert ours.prompt_tokens == theirs.prompt, name
    assert ours.completion_tokens == theirs.completion, name
    assert ours.cached_tokens == theirs.cached, name
    assert ours.cache_write_tokens == theirs.cache_write, name
    assert ours.reasoning_tokens == theirs.reasoning, name


def translated(pieces: list[bytes]) -> Streamed:
    builder = ChunkBuilder(chunk_id="chatcmpl-r", model="m", created=CREATED)
    return Streamed(MessagesToChunks(translation(), builder), pieces)


def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    count = 0
    for candidate in of_api():
        if candidate.status != 200 or candidate.streamed:
            continue
        answer = Answer(translation())
        answer.add(candidate.body)
        result = answer.result(answer_id="chatcmpl-r", model="m", created=CREATED)
        reading = read_body("chat.completions", 200, msgspec.json.encode(result.body), "json")
        assert comparable(reading) == comparable(read(candidate)), candidate.name
        assert_usage(result.usage, read(candidate).usage, candidate.name)
        assert result.upstream_id == json.loads(candidate.body)["id"]
        count += 1
    assert count >= 19


def test_stream_of_every_recording_means_what_the_reader_says() -> None:
    count = 0
    for candidate in of_api():
        if candidate.status != 200 or not candidate.streamed:
            continue
        expected = read(candidate)
        streamed = translated([candidate.body])
        assert streamed.error is None, candidate.name
        assert streamed.finished, candidate.name
        assert comparable(streamed.reading()) == comparable(expected), candidate.name
        assert_usage(streamed.usage, expected.usage, candidate.name)
        count += 1
    assert count >= 14


def test_stream_of_every_recording_cut_at_an_event_never_passes_for_finished() -> None:
    for candidate in of_api():
        if candidate.status != 200 or not candidate.streamed:
            continue
        whole = translated([candidate.body])
        events = split_events(candidate.body)
        for count in range(0, len(events), max(1, len(events) // 25)):
            cut = translated(list(events[:count]))
            assert cut.error is not None or cut.items == whole.items, (candidate.name, count)


def test_stream_of_every_recording_damaged_raises_nothing_but_provider_errors() -> None:
    for candidate in of_api():
        if candidate.status != 200:
            continue
        size = len(candidate.body)
        for number in range(40):
            position = number * size // 40
            for damaged in (
                candidate.body[:position],
                candidate.body[:position] + b"\xff" + candidate.body[position + 1 :],
                candidate.body[:position] + b'"' + candidate.body[position:],
            ):
                if candidate.streamed:
                    translated([damaged])  # keeps a `ProviderError`, lets others out
                else:
                    with contextlib.suppress(ProviderError):
                        Answer(translation()).add(damaged)


def test_error_of_every_recording_keeps_status_words_and_request_id() -> None:
    count = 0
    for candidate in of_api():
        if candidate.status == 200:
            continue
        error = to_error(Failure(candidate.status, dict(candidate.response_headers), candidate.body))
        expected = read(candidate).error
        assert expected is not None
        assert error.status == candidate.status, candidate.name
        assert error.message[:20] == expected.message[:20], candidate.name
        assert error.kind.is_callers_fault == (candidate.status == 400), candidate.name
        given = json.loads(candidate.body).get("request_id") or dict(candidate.response_headers).get("request-id")
        assert error.upstream_request_id == given, candidate.name
        count += 1
    assert count >= 20


@pytest.mark.parametrize(
    ("name", "kind", "param"),
    [
        ("messages.err400__ruby_llm__chat_real_error_scenarios", "context_length", "messages"),
        ("messages.err401__dd-trace-py", "credentials", None),
        ("messages.err404__braintrust", "model_not_found", None),
        ("rig__validation_error_carries_identity", "invalid_request", "temperature"),
        ("rig__recursive_ref_is_rejected", "invalid_request", "tools"),
    ],
)
def test_error_of_known_recording_has_its_kind_and_param(name: str, kind: str, param: str | None) -> None:
    found = [candidate for candidate in of_api() if name in candidate.name]
    assert found
    for candidate in found:
        error = to_error(Failure(candidate.status, {}, candidate.body))
        assert (error.kind, error.param) == (kind, param)


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit"), (529, "overloaded")])
def test_error_as_publicly_reported_has_its_kind(status: int, kind: str) -> None:
    reported = [entry for entry in reported_errors("anthropic") if entry["status"] == status]
    assert reported
    for entry in reported:
        failure = Failure(status, {"retry-after": "12"}, json.dumps(entry["body"]).encode())
        error = to_error(failure)
        assert (error.kind, error.retry_after_s) == (kind, 12.0)


def test_error_event_after_any_recorded_start_ends_the_stream_as_overloaded() -> None:
    """Trap 20: an error event under status 200 is a failure, wherever it comes."""
    reported = [entry for entry in reported_errors("anthropic") if entry["status"] == 200]
    assert reported
    for candidate in of_api():
        if candidate.status == 200 and candidate.streamed:
            first = split_events(candidate.body)[0]
            streamed = translated([first, reported[0]["body_text"].encode()])
            assert streamed.error is not None
            assert streamed.error.kind == "overloaded"
            assert not streamed.finished


def test_stream_of_every_recording_tolerates_unknown_events_between() -> None:
    unknown = Event(b"news", b'{"type":"news","delta":[1],"index":"x"}')
    for candidate in of_api():
        if candidate.status != 200 or not candidate.streamed:
            continue
        builder = ChunkBuilder(chunk_id="chatcmpl-r", model="m", created=CREATED)
        translator = MessagesToChunks(translation(), builder)
        items: list[object] = []
        for event in SseParser().feed(candidate.body):
            items += translator.feed(unknown)
            items += translator.feed(event)
        assert items == translated([candidate.body]).items, candidate.name
