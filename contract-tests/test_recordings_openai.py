"""Every recorded answer in OpenAI's format, read through the adapters, means what the independent reader says."""

import msgspec
import pytest
from msgspec import Raw
from streamed import Streamed
from upstreams import Reading, Recording, recordings
from upstreams.readers import read, read_body
from upstreams.reading import Usage as ReadUsage
from upstreams.recordings import split_events

from adapters.azure_openai.quirks import AZURE
from adapters.base import Call, Deployment
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.openai.completions import CompletionTranslator, to_completion
from adapters.openai.embeddings import to_embedding_response
from adapters.openai.errors import to_error
from adapters.openai.quirks import OPENAI
from adapters.openai.request import to_chat_body
from adapters.openai.response import to_chat_completion
from adapters.openai.stream import ChunkTranslator
from schemas.chat_request import ChatRequest
from schemas.embeddings import EmbeddingRequest
from schemas.usage import Usage

CREATED = 1_700_000_000
# Providers whose own counts contradict each other: more cached than prompted, more reasoning than completion.
INCONSISTENT = ("azure/chat.completions.stream__ruby_llm", "openrouter/", "vercel-gateway/")
EXPECTED = {"chat.completions": 240, "completions": 9, "embeddings": 15}


def of_api(api: str) -> list[Recording]:
    found = recordings(api)
    assert len(found) >= EXPECTED[api]
    return found


def comparable(reading: Reading) -> Reading:
    """Usage is compared by itself; JSON keeps no difference between no refusal and an empty one."""
    others = tuple(comparable(other) for other in reading.others)
    return msgspec.structs.replace(reading, usage=None, refusal=reading.refusal or None, others=others, error=None)


def assert_usage(ours: Usage | None, theirs: ReadUsage | None, name: str) -> None:
    if theirs is None:
        assert ours is None or ours == Usage(), name
        return
    assert ours is not None, name
    assert ours.violations() == () or name.startswith(INCONSISTENT), name
    assert ours.prompt_tokens == theirs.prompt, name
    assert (ours.completion_tokens or 0) == theirs.completion, name
    assert ours.reasoning_tokens == theirs.reasoning, name
    assert theirs.cached is None or ours.cached_tokens == theirs.cached, name
    assert theirs.cache_write is None or ours.cache_write_tokens == theirs.cache_write, name


def translated(pieces: list[bytes], api: str) -> Streamed:
    arguments = {"model": "public", "created": CREATED}
    translator = (
        ChunkTranslator(chunk_id="chatcmpl-fallback", keep_stop=OPENAI.keep_stop, **arguments)
        if api == "chat.completions"
        else CompletionTranslator(answer_id="cmpl-fallback", **arguments)
    )
    return Streamed(translator, pieces)


@pytest.mark.parametrize("api", ["chat.completions", "completions"])
def test_whole_answer_of_every_recording_means_what_the_reader_says(api: str) -> None:
    count = 0
    for candidate in of_api(api):
        if candidate.status != 200 or candidate.streamed:
            continue
        translate = to_chat_completion if api == "chat.completions" else to_completion
        extra = {"keep_stop": OPENAI.keep_stop} if api == "chat.completions" else {}
        result = translate(candidate.body, model="public", answer_id="fallback", created=CREATED, **extra)
        reading = read_body(api, 200, msgspec.json.encode(result.body), "json")
        assert comparable(reading) == comparable(read(candidate)), candidate.name
        assert_usage(result.usage, read(candidate).usage, candidate.name)
        count += 1
    assert count >= (100 if api == "chat.completions" else 3)


@pytest.mark.parametrize("api", ["chat.completions", "completions"])
def test_stream_of_every_recording_means_what_the_reader_says(api: str) -> None:
    count = 0
    for candidate in of_api(api):
        if candidate.status != 200 or not candidate.streamed:
            continue
        expected = read(candidate)
        streamed = translated([candidate.body], api)
        assert (streamed.error is None) == (expected.error is None), (candidate.name, streamed.error)
        assert comparable(streamed.reading(api)) == comparable(expected), candidate.name
        assert_usage(streamed.usage, expected.usage, candidate.name)
        count += 1
    assert count >= (60 if api == "chat.completions" else 2)


def test_stream_of_every_recording_cut_at_an_event_never_passes_for_finished() -> None:
    for candidate in of_api("chat.completions"):
        if candidate.status != 200 or not candidate.streamed:
            continue
        whole = translated([candidate.body], candidate.api)
        events = split_events(candidate.body)
        for count in range(0, len(events), max(1, len(events) // 25)):
            cut = translated(list(events[:count]), candidate.api)
            assert cut.error is not None or cut.items == whole.items or only_annotations_lack(cut, whole), (
                candidate.name,
                count,
            )


def only_annotations_lack(cut: Streamed, whole: Streamed) -> bool:
    """After the finish chunks nothing but usage and the end mark is expected."""
    return cut.finished and cut.reading("chat.completions") == whole.reading("chat.completions")


def test_embeddings_of_every_recording_mean_what_the_reader_says() -> None:
    count = 0
    for candidate in of_api("embeddings"):
        if candidate.status != 200:
            continue
        if "pplx-embed" in candidate.name:
            continue  # 8-bit integers in base64, which OpenAI's format does not have
        expected = read(candidate)
        for encoding in (None, "base64"):
            request = EmbeddingRequest(model="public", input=["x"] * len(expected.vectors), encoding_format=encoding)
            result = to_embedding_response(candidate.body, request, OPENAI)
            body = msgspec.json.encode(result.body)
            vectors = read_body("embeddings", 200, body, "json").vectors
            assert [len(vector) for vector in vectors] == [len(vector) for vector in expected.vectors]
            flat = zip([x for v in vectors for x in v], [x for v in expected.vectors for x in v], strict=True)
            assert all(abs(one - other) < 1e-6 for one, other in flat), candidate.name
            assert_usage(result.usage, expected.usage, candidate.name)
        count += 1
    assert count >= 8


def mutations(body: bytes, count: int) -> list[bytes]:
    """The body cut short, and with bytes changed, at evenly spread places."""
    places = [number * len(body) // count for number in range(count)]
    changed = [body[:at] + bytes([b'"{}[],:0-e\xff'[at % 11]]) + body[at + 1 :] for at in places]
    return [body[:at] for at in places] + changed


def test_answer_of_every_recording_broken_anywhere_raises_nothing_but_provider_errors() -> None:
    for candidate in of_api("chat.completions"):
        if candidate.status == 200 and candidate.streamed:
            for body in mutations(candidate.body, 12):
                for item in translated([body], candidate.api).items:
                    msgspec.json.encode(item)
            continue
        for body in mutations(candidate.body, 24):
            try:
                result = to_chat_completion(body, model="public", answer_id="fallback", created=CREATED)
            except ProviderError:
                continue
            msgspec.json.encode(result.body)
            to_error(Failure(400, {}, body))


# --- requests


def without_nulls(value: object) -> object:
    """A request without its nulls, which mean the same as absent fields."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_request_of_every_recording_reaches_openai_as_the_sdk_wrote_it() -> None:
    deployment = Deployment(id="d", model="m", provider="p", adapter="openai", upstream_model="up")
    known = set(ChatRequest.__struct_fields__)
    count = 0
    for candidate in of_api("chat.completions"):
        if candidate.provider not in {"openai", "azure"} or candidate.status != 200 or not candidate.request_body:
            continue
        sent = without_nulls({"model": "m", **candidate.request_body})
        extra = {name: Raw(msgspec.json.encode(value)) for name, value in sent.items() if name not in known}
        request = msgspec.json.decode(msgspec.json.encode(sent), type=ChatRequest)
        call = Call(deployment=deployment, request_id="r", deadline=1e9, extra_params=extra)
        body, dropped = to_chat_body(request, call, AZURE, stream=candidate.streamed)
        expected = {name: value for name, value in sent.items() if name not in {"stream", "stream_options"}}
        if candidate.streamed:
            expected |= {"stream": True, "stream_options": {"include_usage": True}}
        assert msgspec.json.decode(body) == {**expected, "model": "up"}, candidate.name
        assert dropped == ()
        count += 1
    assert count >= 40


CALLERS_FAULT = (
    "llamacpp/chat.completions.err500__rig__image_without_mmproj",
    "llamacpp/embeddings.err500__rig__embeddings_input_past_the_batch",
)
"""A server that answers 500 to what it cannot take."""


def test_error_of_every_recording_keeps_status_and_words() -> None:
    count = 0
    for api in EXPECTED:
        for candidate in of_api(api):
            if candidate.status == 200:
                continue
            error = to_error(Failure(candidate.status, dict(candidate.response_headers), candidate.body))
            expected = read(candidate).error
            assert expected is not None
            assert error.status == candidate.status, candidate.name
            assert error.message[:20] == expected.message[:20], candidate.name
            is_callers = candidate.name in CALLERS_FAULT or (
                candidate.status == 400 and error.kind != "model_not_found"
            )
            assert error.kind.is_callers_fault == is_callers, candidate.name
            count += 1
    assert count >= 55


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("deepseek_deepseek-chat_handles_context_length_exceeded_errors", "context_length"),
        ("openrouter_claude-haiku-4-5_handles_context_length_exceeded_errors", "context_length"),
        ("ollama_cloud_gpt-oss_120b_handles_context_length_exceeded_errors", "context_length"),
        ("mistral/embeddings.err400__rig__error_preserves_provider_body", "model_not_found"),
        ("openrouter/chat.completions.err429", "rate_limit"),
        ("doubleword/chat.completions.err403__rig__invalid_key_blocking", "credentials"),
        ("openai/chat.completions.err400__crewAI__test_llm_call_when_stop_is_unsupported__0", "unsupported_parameter"),
    ],
)
def test_error_of_known_recording_has_its_kind(name: str, kind: str) -> None:
    found = [candidate for candidate in recordings() if name in candidate.name]
    assert found
    for candidate in found:
        assert to_error(Failure(candidate.status, {}, candidate.body)).kind == kind
