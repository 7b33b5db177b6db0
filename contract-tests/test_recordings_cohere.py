"""Every recorded answer of Cohere's API v2, read through the adapter, means what the independent reader says."""

import json

import msgspec
from streamed import Streamed
from upstreams import Reading, Recording, recordings
from upstreams.readers import cohere, read_body
from upstreams.readers.sse import decode
from upstreams.reading import Usage as ReadUsage
from upstreams.recordings import split_events

from adapters.cohere.embeddings import read_vectors
from adapters.cohere.errors import to_error
from adapters.cohere.response import Expected, to_chat_completion
from adapters.cohere.stream import ChunkTranslator
from adapters.cohere.tools import NAMES
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.tool_names import ToolNames
from schemas.usage import Usage

EXPECTED = Expected(model="public", request_id="r", created=1_700_000_000, names=ToolNames(NAMES))


def read(recording: Recording) -> Reading:
    reader = cohere.read_embeddings if recording.api == "embed" else cohere.read
    return reader(recording.status, decode(recording.body, recording.body_kind))


def answers(*, streamed: bool) -> list[Recording]:
    found = recordings("cohere.v2.chat", provider="cohere", status=200, streamed=streamed)
    assert len(found) >= (6 if streamed else 9)
    return found


def without_usage(reading: Reading) -> Reading:
    return msgspec.structs.replace(reading, usage=None)


def assert_usage(ours: Usage | None, theirs: ReadUsage | None, name: str) -> None:
    assert ours is not None, name
    assert theirs is not None, name
    assert ours.violations() == (), name
    counted = (ours.prompt_tokens, ours.completion_tokens, ours.cached_tokens, ours.reasoning_tokens)
    assert counted == (theirs.prompt, theirs.completion, theirs.cached, theirs.reasoning), name


def translated(pieces: list[bytes]) -> Streamed:
    return Streamed(ChunkTranslator(EXPECTED), pieces)


def annotations(streamed: Streamed) -> list[dict]:
    documents = [json.loads(msgspec.json.encode(item)) for item in streamed.items]
    return [found for item in documents for found in item["choices"][0]["delta"].get("annotations", [])]


def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    for candidate in answers(streamed=False):
        result = to_chat_completion(candidate.body, EXPECTED)
        reading = read_body("chat.completions", 200, msgspec.json.encode(result.body), "json")
        assert without_usage(reading) == without_usage(read(candidate)), candidate.name
        assert_usage(result.usage, read(candidate).usage, candidate.name)


def test_stream_of_every_recording_means_what_the_reader_says() -> None:
    for candidate in answers(streamed=True):
        streamed = translated([candidate.body])
        assert streamed.error is None, (candidate.name, streamed.error)
        assert streamed.finished
        assert without_usage(streamed.reading()) == without_usage(read(candidate)), candidate.name
        assert_usage(streamed.usage, read(candidate).usage, candidate.name)


def test_citations_of_every_recording_stand_where_their_words_do() -> None:
    placed = 0
    for candidate in answers(streamed=False):
        message = to_chat_completion(candidate.body, EXPECTED).body.choices[0].message
        cited = [
            citation["text"]
            for citation in json.loads(candidate.body)["message"].get("citations", [])
            if any(str(source["id"]).startswith("https://") for source in citation["sources"])
        ]
        found = [annotation.url_citation for annotation in message.annotations or []]
        assert [(message.content or "")[one.start_index : one.end_index] for one in found] == cited, candidate.name
        placed += len(found)
    assert placed >= 5
    for candidate in answers(streamed=True):
        assert annotations(translated([candidate.body])) == []  # none of their sources has an address


def test_stream_of_every_recording_cut_before_its_last_event_is_not_finished() -> None:
    for candidate in answers(streamed=True):
        events = [part for part in split_events(candidate.body) if b"[DONE]" not in part]
        for count in range(len(events)):
            cut = translated(list(events[:count]))
            assert cut.error is not None, (candidate.name, count)
            assert not cut.finished


def test_answer_of_every_recording_cut_or_mutated_raises_nothing_but_provider_errors() -> None:
    for candidate in [*answers(streamed=False), *recordings("embed", provider="cohere", status=200)]:
        body = candidate.body[:4000]
        for start in range(0, len(body), max(1, len(body) // 40)):
            for broken in (body[:start], body[:start] + b"7" + body[start + 1 :], body[:start] + body[start + 1 :]):
                assert kind_of(broken) in {None, "bad_response", "server_error"}, candidate.name


def test_stream_of_every_recording_mutated_raises_nothing_but_provider_errors() -> None:
    for candidate in answers(streamed=True):
        body = candidate.body
        for start in range(0, len(body), max(1, len(body) // 40)):
            broken = translated([body[:start] + b"7" + body[start + 1 :]])
            assert broken.error is None or broken.error.kind in {"bad_response", "connection"}, candidate.name


def kind_of(body: bytes) -> str | None:
    """The kind of error that a body gives; anything but a `ProviderError` escapes."""
    try:
        to_chat_completion(body, EXPECTED)
        read_vectors(body, ["x"])
    except ProviderError as error:
        return error.kind
    return None


def test_embeddings_of_every_recording_mean_what_the_reader_says() -> None:
    found = recordings("embed", provider="cohere", status=200)
    assert len(found) >= 5
    for candidate in found:
        expected = read(candidate)
        vectors, usage = read_vectors(candidate.body, ["x"] * len(expected.vectors))
        assert tuple(map(tuple, vectors)) == expected.vectors, candidate.name
        if expected.usage is None:
            said = json.loads(candidate.body)["meta"]["billed_units"]  # images are billed by the piece
            assert (usage.images, usage.prompt_tokens) == (said["images"], None), candidate.name
        else:
            assert_prompt(usage, expected.usage, candidate.name)


def assert_prompt(ours: Usage, theirs: ReadUsage, name: str) -> None:
    assert (ours.prompt_tokens, ours.source) == (theirs.prompt, "provider"), name


def test_error_of_every_recording_keeps_status_and_words() -> None:
    found = [candidate for candidate in recordings("cohere.v2.chat", provider="cohere") if candidate.status != 200]
    assert len(found) >= 2
    kinds = {401: "credentials", 404: "model_not_found"}
    for candidate in found:
        error = to_error(Failure(candidate.status, dict(candidate.response_headers), candidate.body))
        expected = read(candidate).error
        assert expected is not None
        assert error.status == candidate.status, candidate.name
        assert error.message[:20] == expected.message[:20], candidate.name
        assert "https://" not in error.message
        assert error.kind == kinds[candidate.status], candidate.name
