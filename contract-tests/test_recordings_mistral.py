"""Every recorded exchange with Mistral, read through its adapter, means what the independent reader says."""

import msgspec
from msgspec import Raw
from upstreams import Reading, Recording, recordings
from upstreams.readers import read, read_body
from upstreams.recordings import split_events

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError
from adapters.mistral import MistralAdapter
from adapters.mistral.request import to_mistral_body
from schemas.chat_request import ChatRequest

DEPLOYMENT = Deployment(
    id="d", model="public", provider="p", adapter="mistral", upstream_model="up", credential=Secret("canary")
)
REQUEST = ChatRequest(model="public", messages=[])
API = "chat.completions"


def call_of(**extra: Raw) -> Call:
    return Call(deployment=DEPLOYMENT, request_id="r", deadline=1e9, extra_params=extra)


def recorded(*, streamed: bool) -> list[Recording]:
    found = recordings(API, provider="mistral", status=200, streamed=streamed)
    assert len(found) >= (6 if streamed else 12)
    return found


def comparable(reading: Reading) -> Reading:
    return msgspec.structs.replace(reading, usage=None, refusal=None, error=None)


async def streamed(pieces: list[bytes]) -> tuple[Reading, object, ProviderError | None]:
    stream = await MistralAdapter(PlayedTransport(Played(pieces))).chat_stream(REQUEST, call_of())
    items: list[object] = []
    error: ProviderError | None = None
    try:
        async for chunks in stream:
            items += chunks
    except ProviderError as raised:
        error = raised
    await stream.aclose()
    events = b"".join(b"data: " + msgspec.json.encode(item) + b"\n\n" for item in items)
    return comparable(read_body(API, 200, events, "sse")), stream.usage, error


async def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    for candidate in recorded(streamed=False):
        adapter = MistralAdapter(PlayedTransport(Played([candidate.body])))
        result = await adapter.chat(REQUEST, call_of())
        expected = read(candidate)
        said = read_body(API, 200, msgspec.json.encode(result.body), "json")
        assert comparable(said) == comparable(expected), candidate.name
        assert expected.usage is not None, candidate.name
        assert result.usage.prompt_tokens == expected.usage.prompt, candidate.name
        assert result.usage.completion_tokens == expected.usage.completion, candidate.name


async def test_stream_of_every_recording_means_what_the_reader_says_wherever_it_is_split() -> None:
    for candidate in recorded(streamed=True):
        expected = read(candidate)
        body = candidate.body
        for step in (len(body), 1 if len(body) < 20_000 else 7):
            pieces = [body[start : start + step] for start in range(0, len(body), step)]
            said, usage, error = await streamed(pieces)
            assert error is None, candidate.name
            assert said == comparable(expected), (candidate.name, step)
            assert usage is not None, candidate.name


async def test_stream_of_every_recording_cut_at_an_event_fails() -> None:
    for candidate in recorded(streamed=True):
        events = [event for event in split_events(candidate.body) if b"[DONE]" not in event]
        for count in range(1, len(events)):
            _, _, error = await streamed(list(events[:count]))
            assert error is not None, (candidate.name, count)


def same_meaning(body: dict) -> dict:
    """A request as Mistral reads it: without nulls, defaults, and the ids that every client may choose."""
    dropped = {"model", "stream", "n", "safe_prompt"}
    kept = {name: value for name, value in body.items() if value is not None and name not in dropped}
    for tool in kept.get("tools") or ():
        tool["type"] = "function"
    messages = []
    for message in kept["messages"]:
        one = {name: value for name, value in message.items() if value not in (None, False, [], "")}
        content = one.get("content")
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            one["content"] = "".join(part["text"] for part in content)
        one.pop("tool_call_id", None)
        one["tool_calls"] = [call["function"] for call in one.pop("tool_calls", [])]
        messages.append(one)
    return {**kept, "messages": messages}


def test_request_of_every_recording_reaches_mistral_with_its_meaning() -> None:
    known = set(ChatRequest.__struct_fields__)
    count = 0
    for candidate in recordings(API, provider="mistral", status=200):
        text = msgspec.json.encode(candidate.request_body)
        if b"document_url" in text or b'"tool_choice":"any"' in text:
            continue  # no client of OpenAI's format writes these
        sent = {name: value for name, value in msgspec.json.decode(text).items() if value is not None}
        if "random_seed" in sent:
            sent["seed"] = sent.pop("random_seed")
        for tool in sent.get("tools") or ():
            tool["type"] = "function"
        extra = {name: Raw(msgspec.json.encode(value)) for name, value in sent.items() if name not in known}
        for message in sent["messages"]:
            message.pop("prefix", None)
            for call in message.get("tool_calls") or ():
                call.pop("index", None)
            if message["role"] == "assistant" and not message.get("content"):
                message["content"] = None
        request = msgspec.json.decode(msgspec.json.encode({"model": "m", **sent}), type=ChatRequest)
        body, dropped = to_mistral_body(request, call_of(**extra), stream=candidate.streamed)
        assert same_meaning(msgspec.json.decode(body)) == same_meaning(msgspec.json.decode(text)), candidate.name
        assert dropped == (), candidate.name
        count += 1
    assert count >= 14
