"""Every recording of an API that an adapter speaks, through the gateway, read by the official client.

What it means is said by the readers of `upstreams`, never by the adapter under test. The run's summary counts them.
"""

import base64
import json
import re
import struct
from collections.abc import Iterator

import msgspec
import openai
import pytest
from gateway_fixtures import COMPATIBLE, OWN_ADAPTERS, Mocks
from matrix.subjects import SUBJECTS
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionStreamOptionsParam
from running_gateway import TOKEN, RunningGateway
from upstreams import Citation, Reading, Recording, Upstream, Usage, claims, recordings
from upstreams.readers import read, read_body
from upstreams.readers.details import SEARCHES, Details, details_of, told

from adapters import registry
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
ASKED_FOR_USAGE: ChatCompletionStreamOptionsParam = {"include_usage": True}
OPERATIONS = {"completions": "completions"} | dict.fromkeys(
    ("embeddings", "embedContent", "embed", "predict"), "embeddings"
)
"""The gateway's operation for a recorded API; the others are chat."""
MODELS = {
    "anthropic": "claude",
    "azure": "gpt-azure",
    "bedrock": "bedrock",
    "google": "gemini",
    "ollama": "ollama-chat",
}
STATUSES = {401: 502, 402: 502, 403: 502, 500: 502, 501: 502}
"""What the client is told instead of a provider's status: credentials and failures are not the caller's fault."""
SECRET = r"(?:https?://\S+|\S*[*0-9]\S*)"
"""What is told as `[redacted]`: addresses and keys."""
NO_ACCESS = "The gateway's own access to the provider was refused. Your API key is fine; tell your administrator."
OWN_WORDS: dict[int | tuple[int, int], str] = {
    404: "The provider does not know this model. Tell your administrator.",
    429: "The provider is limiting the gateway's requests. Try again later.",
    502: "The provider failed to answer.",
    (401, 502): NO_ACCESS,
    (403, 502): NO_ACCESS,
}
"""What the client is told in the gateway's own words, because it is not the client's to mend."""
UNKNOWN_MODEL = (
    "mistral/embeddings.err400__rig__error_preserves_provider_body",
    "bedrock/converse-stream.err400__otel__test_converse_stream_with_invalid_model",
    "deepseek/chat.completions.err400__rig__chat_completion_rejects_an_unknown_model_with_the_provider_body",
    "openrouter/chat.completions.err400__rig__routed_failure_error_shape",
    "openrouter/embeddings.err400__rig__error_preserves_provider_body",
)
"""Providers that answer 400 to a model that they do not have."""
CALLERS_FAULT = (
    "llamacpp/chat.completions.err500__rig__image_without_mmproj",
    "llamacpp/embeddings.err500__rig__embeddings_input_past_the_batch",
)
"""A server that answers 500 to what it cannot take."""


class Lane(msgspec.Struct, frozen=True):
    """One way of a recording through the gateway: the model that is asked for, and the mock that plays the provider."""

    recording: Recording
    model: str
    mock: str


def lanes(recording: Recording) -> Iterator[Lane]:
    """Every adapter that speaks a recording's API; what Vertex answered in Gemini's form goes through both."""
    is_embedding = OPERATIONS.get(recording.api) == "embeddings"
    match recording.dialect:
        case "openai":
            named = f"on-{recording.provider}" if recording.provider in COMPATIBLE else "on-default"
            is_openai = recording.provider == "openai"
            yield Lane(recording, "gpt" if is_openai else named, "openai" if is_openai else "compatible")
            if recording.provider in OWN_ADAPTERS:
                yield Lane(recording, recording.provider, recording.provider)
        case "google":
            yield Lane(recording, "gemini-embedding" if is_embedding else "gemini", "google")
            if recording.provider == "vertex":
                yield Lane(recording, "vertex-embedding-2" if is_embedding else "vertex-gemini", "vertex")
        case "vertex":
            is_claude = recording.api == "rawPredict"
            yield Lane(
                recording,
                "vertex-claude" if is_claude else "vertex-embedding",
                "vertex_claude" if is_claude else "vertex",
            )
        case "cohere":
            yield Lane(recording, "cohere-embedding" if is_embedding else "cohere", "cohere")
        case "bedrock":
            yield Lane(recording, "bedrock", "bedrock")
            yield Lane(recording, "bedrock-signed", "bedrock")
        case dialect:
            yield Lane(recording, MODELS[dialect], dialect)


def is_streamed(recording: Recording) -> bool:
    return recording.streamed or recording.api == "converse-stream"


def is_ranking(recording: Recording) -> bool:
    """The official client has no reranking: `test_gateway_rerank.py` replays it."""
    return recording.api == "rerank"


def is_listing(recording: Recording) -> bool:
    return recording.api == "models"


LANES = [lane for one in claims.claimed_recordings() if not (is_listing(one) or is_ranking(one)) for lane in lanes(one)]
RANKINGS = [one for one in claims.claimed_recordings() if is_ranking(one)]
LISTINGS = [one for one in claims.claimed_recordings() if is_listing(one)]


class Given(msgspec.Struct):
    """What the client was given, in the oracle's terms, and every detail of its usage."""

    reading: Reading
    details: Details | None = None


def read_through(client: openai.OpenAI, lane: Lane, inputs: int) -> Given:
    """What the official client reads; an error in the stream ends it."""
    api = {"chat": "chat.completions"}.get(operation := OPERATIONS.get(lane.recording.api, "chat"), operation)
    try:
        if not is_streamed(lane.recording):
            body = whole(client, lane.model, operation, inputs)
            return Given(read_body(api, 200, body.encode(), "json"), told_last([body]))
        events = [*stream_events(client, lane.model, operation)]
        body = "".join(f"data: {event}\n\n" for event in (*events, "[DONE]"))
        return Given(read_body(api, 200, body.encode(), "sse"), told_last(events))
    except openai.APIStatusError as error:
        return Given(read_body(api, error.status_code, json.dumps({"error": error.body}).encode(), "json"))


def told_last(documents: list[str]) -> Details | None:
    """The details of the last usage, None where there is none."""
    usages = [usage for document in documents if (usage := json.loads(document).get("usage"))]
    return told(usages[-1]) if usages else None


def whole(client: openai.OpenAI, model: str, operation: str, inputs: int) -> str:
    """The JSON of an unstreamed answer; `inputs` are the texts to embed."""
    if operation == "embeddings":
        return client.embeddings.create(model=model, input=["hello"] * inputs, encoding_format="float").to_json()
    if operation == "completions":
        return client.completions.create(model=model, prompt="hello").to_json()
    return client.chat.completions.create(model=model, messages=HELLO).to_json()


def stream_events(client: openai.OpenAI, model: str, operation: str) -> Iterator[str]:
    """The JSON of each chunk that the official client reads; an error in the stream is the last one."""
    if operation == "completions":
        for text in client.completions.create(model=model, prompt="hello", stream=True, stream_options=ASKED_FOR_USAGE):
            yield text.to_json(indent=None)
        return
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=ASKED_FOR_USAGE)
    try:
        for chunk in stream:
            yield chunk.to_json(indent=None)
    except openai.APIError as error:
        yield json.dumps({"error": error.body})


def differences(expected: Reading, given: Given, lane: Lane) -> list[str]:
    """What the client was told otherwise than the recording says."""
    found = given.reading
    if expected.error is not None:
        if found.error is None:
            return ["the error is missing"]
        return error_differences(lane, expected.error.message, found.error.status, found.error.message)
    if found.error is not None:
        return [f"error: {found.error.message}"]
    pairs = {
        "text": (expected.text, found.text),
        "reasoning": (expected.reasoning, found.reasoning),
        "tool_calls": (expected.tool_calls, found.tool_calls),
        "finish": (expected.finish, found.finish),
        "refusal": (expected.refusal, found.refusal),
        "others": (len(expected.others), len(found.others)),
        "vectors": (expected.vectors, found.vectors),
        "citations": (expected.citations, as_titled(expected.citations, found.citations)),
        "sources": (expected.sources, found.sources),
    }
    if expected.usage is not None:
        pairs["usage"] = (expected.usage, None if found.usage is None else as_reported(expected.usage, found.usage))
    if OPERATIONS.get(lane.recording.api) is None and given.details is not None:
        pairs["details"] = (as_charged(details_of(lane.recording), given.details), given.details)
    return [f"{name}: {want!r:.300} became {got!r:.300}" for name, (want, got) in pairs.items() if want != got]


def error_differences(lane: Lane, message: str, status: int, words: str) -> list[str]:
    """What was told of an error: its status in the gateway's terms, and the provider's words where the caller erred."""
    recording = lane.recording
    is_unknown_model = recording.name in UNKNOWN_MODEL
    wanted = 404 if is_unknown_model else STATUSES.get(recording.status, recording.status)
    if recording.name in CALLERS_FAULT:
        wanted = 400
    found = [] if status == wanted else [f"status: {recording.status} became {status}"]
    if not is_told(OWN_WORDS.get((recording.status, status)) or OWN_WORDS.get(status), message, words):
        found.append(f"message: {message!r:.400} became {words!r:.400}")
    return found


def is_told(own: str | None, message: str, words: str) -> bool:
    """Whether the client reads every word: the gateway's own, else the provider's without addresses and keys."""
    if own is not None:
        return words == own
    return re.fullmatch(re.escape(words).replace(re.escape("[redacted]"), SECRET), message) is not None


def as_charged(expected: Details, found: Details) -> Details:
    """What a recording says, where Google charges all the searches of an answer as one: before its third generation."""
    several = expected.get(SEARCHES, 0) > 1
    return expected | {SEARCHES: 1} if several and found.get(SEARCHES) == 1 else expected


def as_reported(expected: Usage, found: Usage) -> Usage:
    """What was found, without what the recording says in places of its provider's own that the oracle does not read."""
    names = ("completion", "cached", "cache_write", "reasoning")
    known = {name: getattr(found, name) if getattr(expected, name) is not None else None for name in names}
    return msgspec.structs.replace(found, **known)


def as_titled(expected: tuple[Citation, ...], found: tuple[Citation, ...]) -> tuple[Citation, ...]:
    """What was found, without the titles that the recording does not have: the client must be given some."""
    untitled = {cited.url for cited in expected if not cited.title}
    return tuple(
        msgspec.structs.replace(cited, title="") if cited.url in untitled and cited.title else cited for cited in found
    )


def expected_of(recording: Recording) -> Reading:
    """What a recording says, with what the readers cannot know of one provider."""
    reading = read(recording)
    if "pplx-embed" in recording.name:  # 8-bit integers in base64, which OpenAI's format does not have
        packed = [base64.b64decode(entry["embedding"]) for entry in json.loads(recording.body)["data"]]
        integers = tuple(tuple(map(float, struct.unpack(f"{len(data)}b", data))) for data in packed)
        return msgspec.structs.replace(reading, vectors=integers)
    return reading


@pytest.mark.replay
@pytest.mark.parametrize("lane", LANES, ids=lambda lane: f"{lane.recording.name}-{lane.model}")
def test_recorded_answer_means_the_same_through_the_gateway(gateway: RunningGateway, mocks: Mocks, lane: Lane) -> None:
    upstream: Upstream = getattr(mocks, lane.mock)
    upstream.always(lane.recording)
    expected = expected_of(lane.recording)
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        found = read_through(client, lane, len(expected.vectors) or 1)

    assert differences(expected, found, lane) == []


LISTERS = {"anthropic": "anthropic", "gemini": "google", "mistral": "mistral", "openai": "openai"}


@pytest.mark.replay
@pytest.mark.parametrize("recording", LISTINGS, ids=lambda recording: recording.name)
async def test_recorded_model_list_is_what_an_adapter_discovers(recording: Recording) -> None:
    """Discovery is a command and no endpoint: it ends at the adapter."""
    document = json.loads(recording.body)
    one_page = {name: value for name, value in document.items() if name != "nextPageToken"}
    adapter = registry.build(
        LISTERS.get(recording.provider, "openai_compatible"),
        PlayedTransport(Played([json.dumps(one_page).encode()], status=recording.status)),
    )
    assert isinstance(adapter, registry.SupportsModelDiscovery)
    deployment = Deployment(
        id="d",
        model="m",
        provider="p",
        adapter="a",
        upstream_model="u",
        base_url="https://x.invalid",
        credential=Secret("k"),
    )
    call = Call(deployment=deployment, request_id="r", deadline=1e12)
    if recording.status != 200 or ("data" not in document and "models" not in document):
        with pytest.raises(ProviderError):
            await adapter.list_models(call)
        return
    listed = document.get("data") or document.get("models")
    names = {str(model.get("id") or model["name"]).removeprefix("models/") for model in listed}
    found = set(await adapter.list_models(call))
    assert found <= names
    assert found


def test_every_recorded_api_is_spoken_by_an_adapter_or_named_as_not_claimed() -> None:
    """What an adapter can do is read off its Protocols: a new one fails here until its APIs are replayed."""
    implemented = {name: registry.operations(registry.adapter_class(name)) for name in registry.adapter_types()}
    del implemented["echo"]

    assert {name: frozenset(operations) for name, operations in claims.SPEAKS.items()} == implemented
    assert set(claims.UNCLAIMED) == {recording.api for recording in recordings()} - claims.claimed()


def test_every_adapter_has_a_column_in_the_conformance_matrix() -> None:
    assert {subject.adapter for subject in SUBJECTS} == registry.adapter_types() - {"echo"}


def test_every_recording_of_a_claimed_api_is_replayed() -> None:
    replayed = {lane.recording.name for lane in LANES} | {one.name for one in (*LISTINGS, *RANKINGS)}

    assert replayed == {recording.name for recording in claims.claimed_recordings()}
    assert len(replayed) >= 470
