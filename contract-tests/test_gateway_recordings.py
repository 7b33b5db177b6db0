"""Every recorded chat answer through the gateway, read by the official client: it means what the recording means."""

import json
from collections.abc import Iterator

import msgspec
import openai
import pytest
from gateway_fixtures import COMPATIBLE, Mocks
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionStreamOptionsParam
from running_gateway import TOKEN, RunningGateway
from upstreams import Reading, Recording, Upstream, Usage, recordings
from upstreams.readers import read, read_body
from upstreams.readers.sse import decode

CHAT_APIS = ("chat.completions", "messages", "generateContent", "streamGenerateContent")
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def chat_recordings() -> list[Recording]:
    return [recording for recording in recordings() if recording.api in CHAT_APIS and recording.dialect]


def model_of(recording: Recording) -> str:
    """The gateway's model whose adapter speaks a recording's dialect."""
    if recording.dialect == "anthropic":
        return "claude"
    if recording.dialect == "google":
        return "gemini"
    if recording.dialect == "azure":
        return "gpt-azure"
    if recording.provider == "openai":
        return "gpt"
    return f"on-{recording.provider}" if recording.provider in COMPATIBLE else "on-default"


def upstream_of(mocks: Mocks, recording: Recording) -> Upstream:
    dialect = recording.dialect
    found: Upstream = getattr(
        mocks, "compatible" if dialect == "openai" and recording.provider != "openai" else dialect
    )
    return found


def read_through(client: openai.OpenAI, model: str, *, stream: bool) -> Reading:
    """What the official client reads, in the oracle's terms; an error in the stream ends it."""
    try:
        if not stream:
            whole = client.chat.completions.create(model=model, messages=HELLO)
            return read_body("chat.completions", 200, whole.to_json().encode(), "json")
        events = [*stream_events(client, model), "[DONE]"]
        return read_body("chat.completions", 200, "".join(f"data: {event}\n\n" for event in events).encode(), "sse")
    except openai.APIStatusError as error:
        return read_body("chat.completions", error.status_code, json.dumps({"error": error.body}).encode(), "json")


def stream_events(client: openai.OpenAI, model: str) -> Iterator[str]:
    """The JSON of each chunk that the official client reads; an error in the stream is the last one."""
    options: ChatCompletionStreamOptionsParam = {"include_usage": True}
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options)
    try:
        for chunk in stream:
            yield chunk.to_json(indent=None)
    except openai.APIError as error:
        yield json.dumps({"error": error.body})


def differences(expected: Reading, found: Reading) -> list[str]:
    """What the client was told otherwise than the recording says."""
    if expected.error is not None:
        return [] if found.error is not None else ["the error is missing"]
    if found.error is not None:
        return [f"error: {found.error.message}"]
    pairs = {
        "text": (expected.text, found.text),
        "reasoning": (expected.reasoning, found.reasoning),
        "tool_calls": (expected.tool_calls, found.tool_calls),
        "finish": (expected.finish, found.finish),
        # A blocked prompt has no answer; the gateway says why in the refusal.
        "refusal": (expected.refusal, found.refusal if expected.finish != "content_filter" else expected.refusal),
        "others": (len(expected.others), len(found.others)),
    }
    if expected.usage is not None:
        pairs["usage"] = (expected.usage, None if found.usage is None else as_reported(expected.usage, found.usage))
    return [f"{name}: {want!r:.300} became {got!r:.300}" for name, (want, got) in pairs.items() if want != got]


def as_reported(expected: Usage, found: Usage) -> Usage:
    """What was found, without what the recording says in places of its provider's own that the oracle does not read."""
    names = ("cached", "cache_write", "reasoning")
    known = {name: getattr(found, name) if getattr(expected, name) is not None else None for name in names}
    return msgspec.structs.replace(found, **known)


def inclusive(recording: Recording, reading: Reading) -> Reading:
    """Count reasoning into the completion where a provider reports it beside it: xAI's total says so."""
    usage = reading.usage
    if recording.provider != "xai" or usage is None or usage.completion is None or usage.reasoning is None:
        return reading
    documents = decode(recording.body, recording.body_kind).documents
    totals = [document["usage"]["total_tokens"] for document in documents if document.get("usage")]
    if totals[-1] == (usage.prompt or 0) + usage.completion:
        return reading
    beside = msgspec.structs.replace(usage, completion=usage.completion + usage.reasoning)
    return msgspec.structs.replace(reading, usage=beside)


@pytest.mark.parametrize("recording", chat_recordings(), ids=lambda recording: recording.name)
def test_recorded_answer_means_the_same_through_the_gateway(
    gateway: RunningGateway, mocks: Mocks, recording: Recording
) -> None:
    upstream = upstream_of(mocks, recording)
    upstream.always(recording)
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        found = read_through(client, model_of(recording), stream=recording.streamed)

    assert differences(inclusive(recording, read(recording)), found) == []
