"""Every recorded answer with something of a wrong type in each of its places, and streams with events that do not fit.

What an adapter does not read may be anything; what it reads must give an answer that the official client's types take,
or a `ProviderError`. One place is tried once: with every value, in the first answer of an adapter that has it.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel
from spoiled import Json, Opened, at, opened, paths, shape, spoiled, wrongs
from test_recordings_framing import BINARY, CHAT, COMPLETION, STREAMS, deployment_of, events_of
from upstreams import Recording, claims
from upstreams.aws_frames import frame
from upstreams.readers import read

from adapters import registry
from adapters.base import (
    Call,
    SupportsChat,
    SupportsCompletions,
    SupportsEmbeddings,
    SupportsModelDiscovery,
    SupportsRerank,
)
from adapters.conformance.case import Played, PlayedTransport
from adapters.counts import unmapped
from adapters.errors import ProviderError
from schemas.embeddings import EmbeddingRequest
from schemas.rerank import RerankRequest

WHOLE = [one for one in claims.claimed_recordings() if not one.streamed and one.status == 200]
ADAPTERS = {
    "messages": ("anthropic",),
    "rawPredict": ("vertex",),
    "generateContent": ("google", "vertex"),
    "streamGenerateContent": ("google", "vertex"),
    "embedContent": ("google", "vertex"),
    "predict": ("vertex",),
    "converse": ("bedrock",),
    "converse-stream": ("bedrock",),
    "cohere.v2.chat": ("cohere",),
    "embed": ("cohere",),
    "rerank": ("cohere", "openai_compatible", "openrouter"),
    "ollama.chat": ("ollama",),
    "ollama.embed": ("ollama",),
    "ollama.tags": ("ollama",),
    "models": ("anthropic", "cohere", "google", "mistral", "openai", "openai_compatible"),
    "chat.completions": ("azure_openai", "mistral", "openai", "openai_compatible", "openrouter"),
    "completions": ("azure_openai", "openai", "openai_compatible", "openrouter"),
    "embeddings": ("azure_openai", "mistral", "openai", "openai_compatible", "openrouter"),
}
"""Every adapter that speaks a recorded API."""
MODELS = {"anthropic": "claude-sonnet-4-5", "bedrock": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}
VERTEX = {"rawPredict": "claude-3-7-sonnet@20250219", "embedContent": "gemini-embedding-2", "predict": "gecko"}
OF_ONE_PROVIDER = {"azure_openai": "azure", "mistral": "mistral", "openai": "openai", "openrouter": "openrouter"}
"""Adapters of OpenAI's format that are held to what their own provider sent; `openai_compatible` is to all others."""
SDK_TYPES: dict[str, type[BaseModel]] = {"completions": Completion}
OWN_FORMS = {"rerank", "models", "ollama.tags"}
"""APIs whose answers are in a form that the official client does not have."""
EMBEDDINGS = {"embeddings", "embedContent", "predict", "embed", "ollama.embed"}


def spoken(recordings: list[Recording], api: str, adapter: str) -> list[Recording]:
    """The recordings of an API that an adapter is tried with."""
    found = [one for one in recordings if one.api == api]
    if api in {"models", "rerank"}:
        return found
    if adapter in OF_ONE_PROVIDER:
        return [one for one in found if one.provider == OF_ONE_PROVIDER[adapter]]
    if adapter == "openai_compatible":
        return [one for one in found if one.provider not in {"azure", "openai", "cohere"}]
    return found


def lanes(recordings: list[Recording]) -> list[tuple[str, str]]:
    """API and adapter, where such a recording exists."""
    return [(api, one) for api, adapters in ADAPTERS.items() for one in adapters if spoken(recordings, api, one)]


def call_for(api: str, adapter: str) -> Call:
    recording = next(one for one in claims.claimed_recordings() if one.api == api)
    model = VERTEX.get(api, "gemini-2.5-flash") if adapter in {"google", "vertex"} else MODELS.get(adapter, "a-model")
    deployment = msgspec.structs.replace(deployment_of(recording), adapter=adapter, upstream_model=model)
    return Call(deployment=deployment, request_id="r", deadline=asyncio.get_running_loop().time() + 60)


async def whole_answer(recording: Recording, adapter_name: str, body: bytes) -> msgspec.Struct | tuple[str, ...]:
    """What an adapter makes of a body in a recording's place."""
    api = recording.api
    adapter = registry.build(adapter_name, PlayedTransport(Played([body])))
    call = call_for(api, adapter_name)
    if api in EMBEDDINGS:
        assert isinstance(adapter, SupportsEmbeddings)
        texts = ["Hello"] * len(read(recording).vectors)
        return (await adapter.embeddings(EmbeddingRequest(model="public", input=texts), call)).body
    if api == "rerank":
        assert isinstance(adapter, SupportsRerank)
        return (await adapter.rerank(RerankRequest(model="public", query="q", documents=["d"] * 9), call)).body
    if api in {"models", "ollama.tags"}:
        assert isinstance(adapter, SupportsModelDiscovery)
        return await adapter.list_models(call)
    if api == "completions":
        assert isinstance(adapter, SupportsCompletions)
        return (await adapter.completion(COMPLETION, call)).body
    assert isinstance(adapter, SupportsChat)
    return (await adapter.chat(CHAT, call)).body


async def streamed(api: str, adapter_name: str, body: bytes) -> tuple[list[msgspec.Struct], bool]:
    """The chunks that an adapter makes of a stream's bytes, and whether it holds them for a whole answer."""
    transport = PlayedTransport(Played([body], headers={"content-type": content_type_of(api)}))
    adapter = registry.build(adapter_name, transport)
    call = call_for(api, adapter_name)
    if api == "completions":
        assert isinstance(adapter, SupportsCompletions)
        stream = await adapter.completion_stream(COMPLETION, call)
    else:
        assert isinstance(adapter, SupportsChat)
        stream = await adapter.chat_stream(CHAT, call)
    try:
        items: list[msgspec.Struct] = [item async for batch in stream for item in batch]
    finally:
        await stream.aclose()
        assert transport.all_released
    return items, stream.finished


def content_type_of(api: str) -> str:
    return next(one.content_type for one in STREAMS if one.api == api)


def assert_taken(answer: object, sdk_type: type[BaseModel]) -> None:
    """The official client's types take it. They know only OpenAI's tiers; other providers have their own."""
    if isinstance(answer, msgspec.Struct):
        plain = json.loads(msgspec.json.encode(answer))
        plain.pop("service_tier", None)
        sdk_type.model_validate(plain)


async def defect_of(made: Awaitable[object], check: Callable[[object], None]) -> str | None:
    """What is wrong with the outcome; None for an answer that is one, and for a `ProviderError`."""
    try:
        check(await made)
    except ProviderError as error:
        return None if error.message else "an error without a word"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect that the test tells
        return f"{type(error).__name__}: {error}"[:300]
    return None


def new_places(document: Json, kind: str, seen: set[object]) -> Iterator[tuple[Json, Json]]:
    """The document spoiled once for each place that was not seen before and each type that is wrong there."""
    for path in paths(document):
        place = (kind, shape(path), type(at(document, path)))
        if place in seen:
            continue
        seen.add(place)
        for wrong in wrongs(document, path):
            yield (path, wrong), spoiled(document, path, wrong)


async def is_answer(recording: Recording, adapter: str) -> bool:
    """Whether an adapter takes it as it was recorded; one provider's models are listed in another's form."""
    try:
        await whole_answer(recording, adapter, recording.body)
    except ProviderError:
        return False
    return True


@pytest.mark.parametrize(("api", "adapter"), lanes(WHOLE))
async def test_wrong_type_at_any_place_of_an_answer_is_an_answer_or_an_error(api: str, adapter: str) -> None:
    sdk_type = CreateEmbeddingResponse if api in EMBEDDINGS else SDK_TYPES.get(api, ChatCompletion)

    def check(answer: object) -> None:
        if api not in OWN_FORMS:
            assert_taken(answer, sdk_type)

    defects: list[object] = []
    seen: set[object] = set()
    tried = 0
    for recording in spoken(WHOLE, api, adapter):
        if not await is_answer(recording, adapter):
            assert api in {"models", "rerank"} or "pplx-embed" in recording.name, recording.name
            continue
        for place, document in new_places(json.loads(recording.body), "", seen):
            tried += 1
            defect = await defect_of(whole_answer(recording, adapter, json.dumps(document).encode()), check)
            if defect is not None:
                defects.append((recording.name, place, defect))
    assert defects == []
    assert tried >= 20


def odd_events(recording: Recording, event: Opened, raw: bytes, seen: set[object]) -> Iterator[tuple[Json, bytes]]:
    """What may stand in an event's place: each once for a kind of event."""
    for place, document in new_places(event.document, event.kind, seen):
        yield place, event.closed(document)
    keys = (event.kind, tuple(event.document) if isinstance(event.document, dict) else ())
    if keys in seen:
        return
    seen.add(keys)
    yield "twice", raw * 2
    yield "missing", b""
    yield "after an unknown type", event.closed({"type": "unheard.of"}) + raw
    if recording.body_kind == BINARY:
        yield "after an unknown frame", frame("unheardOf", {"odd": 1}) + raw


@pytest.mark.parametrize(("api", "adapter"), lanes(STREAMS))
async def test_odd_event_at_any_place_of_a_stream_is_an_answer_or_an_error(api: str, adapter: str) -> None:
    defects: list[object] = []
    seen: set[object] = set()

    def check(outcome: object) -> None:
        assert isinstance(outcome, tuple)
        items, finished = outcome
        assert finished, "an end without an error that is no end"
        for item in items:
            msgspec.json.encode(item)
            if api != "completions":  # whose chunks without a reason to end the client's type does not know
                assert_taken(item, ChatCompletionChunk)

    tried = 0
    for recording in spoken(STREAMS, api, adapter):
        events = events_of(recording)
        for number, raw in enumerate(events):
            event = opened(raw, recording.body_kind)
            if event is None:
                continue
            for what, odd in odd_events(recording, event, raw, seen):
                tried += 1
                body = b"".join([*events[:number], odd, *events[number + 1 :]])
                defect = await defect_of(streamed(api, adapter, body), check)
                if defect is not None:
                    defects.append((recording.name, number, what, defect))
    assert defects == []
    assert tried >= 60


async def test_every_recorded_finish_reason_is_known() -> None:
    before = unmapped()
    for api, adapter in lanes(WHOLE):
        for recording in spoken(WHOLE, api, adapter):
            with contextlib.suppress(ProviderError):
                await whole_answer(recording, adapter, recording.body)
    for api, adapter in lanes(STREAMS):
        for recording in spoken(STREAMS, api, adapter):
            with contextlib.suppress(ProviderError):
                await streamed(api, adapter, b"".join(events_of(recording)))

    assert set(unmapped()) - set(before) == set()
