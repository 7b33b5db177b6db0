"""Behaviours of streams, for every adapter."""

from matrix import Talk, behaviour
from upstreams import Fault

TEXT = "Tell me about stone, water and arches."
BINARY = {
    "bedrock": "AWS's event stream is binary frames, which have no comments and no line ends.",
    "ollama": "Ollama's stream is lines of JSON, which have no comments.",
}


@behaviour("stream.text", "The chunks spell out the same text as the whole answer, in more than one")
def test_stream_text(talk: Talk) -> None:
    whole = talk.ask(TEXT)
    stream = talk.stream(TEXT)

    assert stream.reading.text == whole.text
    assert stream.reading.finish == whole.finish
    assert sum(bool(choice["delta"].get("content")) for choice in stream.choices) > 3


@behaviour("stream.head", "It is `text/event-stream` that no proxy keeps or transforms")
def test_stream_head(talk: Talk) -> None:
    headers = talk.stream(TEXT).answer.headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"


@behaviour("stream.role", "The first chunk has the role, and only it")
def test_stream_role(talk: Talk) -> None:
    roles = [choice["delta"].get("role") for choice in talk.stream(TEXT).choices]

    assert roles[0] == "assistant"
    assert not any(roles[1:])


@behaviour("stream.ids", "`id`, `created`, `model` and `object` are the same in every chunk")
def test_stream_ids(talk: Talk) -> None:
    heads = {(one["id"], one["created"], one["model"], one["object"]) for one in talk.stream(TEXT).chunks}

    ((identity, created, model, kind),) = heads
    assert identity
    assert created > 1_600_000_000
    assert (model, kind) == (talk.subject.name, "chat.completion.chunk")


@behaviour("stream.fields", "Every choice has `finish_reason` and `logprobs`, the usage both objects of details")
def test_stream_fields(talk: Talk) -> None:
    stream = talk.stream(TEXT)

    assert all(choice.keys() >= {"index", "delta", "finish_reason", "logprobs"} for choice in stream.choices)
    assert stream.chunks[-1]["choices"] == []
    assert stream.chunks[-1]["usage"].keys() >= {"prompt_tokens_details", "completion_tokens_details"}


@behaviour("stream.finish", "Exactly one chunk finishes the choice, after all of its content")
def test_stream_finish(talk: Talk) -> None:
    finishes = [choice["finish_reason"] for choice in talk.stream(TEXT).choices]

    assert finishes[-1] == "stop"
    assert not any(finishes[:-1])


@behaviour("stream.done", "The last event is `[DONE]`")
def test_stream_done(talk: Talk) -> None:
    events = talk.stream(TEXT).events

    assert events[-1] == "[DONE]"
    assert events.count("[DONE]") == 1


@behaviour("stream.usage", "Asked for, usage is one more chunk without choices before the end; the others have `null`")
def test_stream_usage(talk: Talk) -> None:
    *others, last = talk.stream(TEXT).chunks

    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in others)


@behaviour("stream.no_usage", "Not asked for, no chunk has usage")
def test_stream_no_usage(talk: Talk) -> None:
    chunks = talk.stream(TEXT, stream_options=None).chunks

    assert all(chunk["choices"] for chunk in chunks)
    assert not any(chunk.get("usage") for chunk in chunks)


@behaviour("stream.cut", "A stream that the token limit cuts ends with `length`")
def test_stream_cut(talk: Talk) -> None:
    reading = talk.stream("[text=400]", max_tokens=5).reading

    assert reading.finish == "length"
    assert len(reading.text) == 20


@behaviour("stream.split", "The provider's bytes may arrive one by one")
def test_stream_split(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(split=1))

    assert talk.stream("Grüße 🛰️ [tool]").reading.text == "You said: Grüße 🛰️ [tool]"


@behaviour(
    "stream.framing", "Comments, keep-alives and CRLF between the provider's events change nothing", unsupported=BINARY
)
def test_stream_framing(talk: Talk) -> None:
    fault = Fault() if talk.unsupported else Fault(crlf=True, comments=True)
    talk.upstream.script(None, fault=fault)

    reading = talk.stream(TEXT).reading

    assert (reading.text, reading.finish) == (f"You said: {TEXT}", "stop")


@behaviour("stream.compressed", "A provider that compresses without being asked is read or refused, never misread")
def test_stream_compressed(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(gzip=True))

    stream = talk.stream(TEXT)

    assert stream.answer.status == 502 or stream.reading.text == f"You said: {TEXT}"
    asked = talk.upstream.requests[-1].header("accept-encoding")
    assert asked in {None, "identity"}
