"""Every recorded stream in hostile forms: split at every byte, with other line ends and comments, cut at every event.

The same bytes in another framing give the same chunks and usage. A cut stream is a clean error behind a part of the
chunks, with no more usage than the whole had, or it lacks nothing that says something.
"""

import asyncio
import json
from collections.abc import Iterator

import msgspec
import pytest
from upstreams import Reading, Recording, claims, data_event
from upstreams.aws_frames import frame, split_frames
from upstreams.readers import read_body
from upstreams.recordings import split_events

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat, SupportsCompletions
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError
from schemas.chat_request import ChatRequest, UserMessage
from schemas.completions import CompletionRequest
from schemas.usage import Usage

STREAMS = [one for one in claims.claimed_recordings() if one.streamed and one.status == 200]
CHAT = ChatRequest(model="public", messages=[UserMessage(content="Hello")])
COMPLETION = CompletionRequest(model="public", prompt="Hello")
BINARY = "aws-eventstream"
LINES = "ndjson"
ADAPTERS = {
    "messages": ("anthropic", "claude-sonnet-4-5"),
    "streamGenerateContent": ("google", "gemini-2.5-flash"),
    "rawPredict": ("vertex", "claude-3-7-sonnet@20250219"),
    "converse-stream": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "cohere.v2.chat": ("cohere", "command-a-03-2025"),
    "ollama.chat": ("ollama", "a-model"),
}
"""Adapter and upstream model by API; OpenAI's format has several adapters."""
COUNTED_DOWN = "test_native_output_with_builtin_tools_stream"
"""Here Gemini itself counts fewer tokens at the end than in the middle."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one stream."""

    items: list[bytes]
    error: ProviderError | None
    finished: bool
    usage: Usage | None

    def reading(self, api: str) -> Reading:
        events = b"".join(b"data: " + item + b"\n\n" for item in self.items)
        return read_body("completions" if api == "completions" else "chat.completions", 200, events, "sse")


def deployment_of(recording: Recording) -> Deployment:
    adapter, model = ADAPTERS.get(recording.api, ("openai_compatible", "a-model"))
    if recording.dialect == "azure":
        adapter = "azure_openai"
    elif recording.provider in {"openai", "mistral"}:
        adapter = recording.provider
    elif recording.provider == "vertex" and adapter == "google":
        adapter = "vertex"
    return Deployment(
        id="d", model="public", provider="p", adapter=adapter, upstream_model=model,
        base_url="https://upstream.invalid", credential=Secret("ya29.canary"), options={"project": "p", "region": "r"},
    )  # fmt: skip


def events_of(recording: Recording) -> list[bytes]:
    """The stream in its own units. What was recorded as a JSON array is sent as events, as the mock does."""
    match recording.body_kind:
        case "aws-eventstream":
            return list(split_frames(recording.body))
        case "ndjson":
            return recording.body.splitlines(keepends=True)
        case "json-array-stream":
            return [data_event(item) for item in json.loads(recording.body)]
        case _:
            return list(split_events(recording.body))


async def run(recording: Recording, pieces: list[bytes]) -> Outcome:
    deployment = deployment_of(recording)
    headers = {"content-type": recording.content_type}
    transport = PlayedTransport(Played(pieces, headers=headers))
    adapter = registry.build(deployment.adapter, transport)
    call = Call(deployment=deployment, request_id="r", deadline=asyncio.get_running_loop().time() + 60)
    if recording.api == "completions":
        assert isinstance(adapter, SupportsCompletions)
        stream = await adapter.completion_stream(COMPLETION, call)
    else:
        assert isinstance(adapter, SupportsChat)
        stream = await adapter.chat_stream(CHAT, call)
    items: list[bytes] = []
    error: ProviderError | None = None
    try:
        async for batch in stream:
            items += [msgspec.json.encode(msgspec.structs.replace(item, created=0)) for item in batch]
    except ProviderError as caught:
        error = caught
    finally:
        await stream.aclose()
    assert transport.all_released
    return Outcome(items=items, error=error, finished=stream.finished, usage=stream.usage)


def same(one: Outcome, other: Outcome) -> bool:
    kinds = [None if outcome.error is None else outcome.error.kind for outcome in (one, other)]
    return (one.items, one.finished, one.usage) == (other.items, other.finished, other.usage) and kinds[0] == kinds[1]


def single_bytes(data: bytes) -> list[bytes]:
    return [data[start : start + 1] for start in range(len(data))]


def mixed(recording: Recording, line_end: bytes = b"\r\n") -> Iterator[bytes]:
    """The same events with other line ends, and with what keeps a connection alive before and inside each of them.

    Frames have neither line ends nor comments: what nobody has to read is a frame of a type that nobody knows.
    """
    if recording.body_kind == BINARY:
        for event in events_of(recording):
            yield frame("keepAlive", {"p": "abc"}) + event
        return
    for event in events_of(recording):
        lines = event.replace(b"\r\n", b"\n").replace(b"\n", line_end)
        yield (
            line_end + lines
            if recording.body_kind == LINES
            else b"".join((b": keep-alive", line_end, line_end, b":", line_end, lines))
        )
    yield line_end if recording.body_kind == LINES else b": the end" + line_end + line_end


@pytest.fixture(params=STREAMS, ids=lambda one: one.name)
def recording(request: pytest.FixtureRequest) -> Recording:
    found: Recording = request.param
    return found


async def test_stream_split_at_every_byte_gives_the_same(recording: Recording) -> None:
    body = b"".join(events_of(recording))

    assert same(await run(recording, single_bytes(body)), await run(recording, [body]))


async def test_stream_with_other_line_ends_comments_and_keep_alives_gives_the_same(recording: Recording) -> None:
    whole = await run(recording, events_of(recording))
    for line_end in (b"\r\n",) if recording.body_kind in {LINES, BINARY} else (b"\r\n", b"\r"):
        body = b"".join(mixed(recording, line_end))

        assert same(await run(recording, [body]), whole)
        assert same(await run(recording, single_bytes(body)), whole)


async def test_stream_cut_at_every_event_is_a_clean_error_or_lacks_nothing(recording: Recording) -> None:
    events = events_of(recording)
    whole = await run(recording, events)
    for count in range(len(events)):
        assert_cut(recording, await run(recording, [b"".join(events[:count])]), whole)


async def test_stream_cut_inside_an_event_is_a_clean_error_or_lacks_nothing(recording: Recording) -> None:
    events = events_of(recording)
    whole = await run(recording, events)
    for count in range(0, len(events), max(1, len(events) // 20)):
        half = events[count][: len(events[count]) // 2]
        assert_cut(recording, await run(recording, [b"".join(events[:count]) + half]), whole)


def assert_cut(recording: Recording, cut: Outcome, whole: Outcome) -> None:
    """An error behind a part of the chunks; or the end was there, and what is missing says nothing of the answer."""
    if cut.error is None:
        assert cut.finished
        assert cut.reading(recording.api) == whole.reading(recording.api)
        return
    assert cut.items == whole.items[: len(cut.items)]
    assert cut.error.kind in {"connection", "bad_response"} or same(cut, whole)
    assert recording.name.endswith(COUNTED_DOWN) or partial(cut.usage, whole.usage)


def partial(part: Usage | None, whole: Usage | None) -> bool:
    """Whether a part of a stream was counted as no more than the whole."""
    if part is None or whole is None:
        return part is None
    pairs = ((part.prompt_tokens, whole.prompt_tokens), (part.completion_tokens, whole.completion_tokens))
    return all(known is None or (final is not None and known <= final) for known, final in pairs)


def test_every_dialects_streams_are_among_them() -> None:
    kinds = {recording.body_kind for recording in STREAMS}

    assert kinds == {"sse", "ndjson", "json-array-stream", "aws-eventstream"}
    assert {recording.dialect for recording in STREAMS} == {
        "anthropic", "azure", "bedrock", "cohere", "google", "ollama", "openai", "vertex",
    }  # fmt: skip
    assert len(STREAMS) >= 140
