"""Every recorded exchange with Ollama's own API, read through its adapter, means what an independent reader says."""

import json

import msgspec
from upstreams import Recording, recordings

from adapters.base import Call, Deployment
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure
from adapters.ollama import OllamaAdapter
from adapters.ollama.errors import to_error
from schemas.chat_request import ChatRequest

REQUEST = ChatRequest(model="public", messages=[])
API = "ollama.chat"


def call_of() -> Call:
    deployment = Deployment(id="d", model="public", provider="p", adapter="ollama", upstream_model="up")
    return Call(deployment=deployment, request_id="r", deadline=1e9)


def recorded(*, streamed: bool) -> list[Recording]:
    found = recordings(API, status=200, streamed=streamed)
    assert len(found) >= 4
    return found


class Read:
    """What recorded lines say, read with plain JSON."""

    def __init__(self, body: bytes) -> None:
        documents = [json.loads(line) for line in body.splitlines() if line.strip()]
        messages = [document["message"] for document in documents]
        last = documents[-1]
        self.text = "".join(message.get("content") or "" for message in messages)
        self.thinking = "".join(message.get("thinking") or "" for message in messages)
        self.calls = [
            (call["function"]["name"], call["function"]["arguments"])
            for message in messages
            for call in message.get("tool_calls") or ()
        ]
        self.ids = [call.get("id") for message in messages for call in message.get("tool_calls") or ()]
        self.counts = (last.get("prompt_eval_count"), last.get("eval_count"))
        self.finish = "length" if last["done_reason"] == "length" else "tool_calls" if self.calls else "stop"


async def test_whole_answer_of_every_recording_means_what_the_reader_says() -> None:
    for candidate in recorded(streamed=False):
        expected = Read(candidate.body)
        result = await OllamaAdapter(PlayedTransport(Played([candidate.body]))).chat(REQUEST, call_of())
        choice = result.body.choices[0]
        message = choice.message
        assert (message.content or "") == expected.text, candidate.name
        assert (message.reasoning or "") == expected.thinking, candidate.name
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
        assert calls == expected.calls, candidate.name
        assert [call.id for call in message.tool_calls or ()] == expected.ids, candidate.name
        assert choice.finish_reason == expected.finish, candidate.name
        assert (result.usage.prompt_tokens, result.usage.completion_tokens) == expected.counts, candidate.name


async def said(pieces: list[bytes]) -> tuple[tuple, ProviderError | None]:
    stream = await OllamaAdapter(PlayedTransport(Played(pieces))).chat_stream(REQUEST, call_of())
    text = thinking = ""
    calls: list[list[str]] = []
    finish: str | None = None
    error: ProviderError | None = None
    try:
        async for chunks in stream:
            for chunk in chunks:
                delta = chunk.choices[0].delta
                text += delta.content or ""
                thinking += delta.reasoning or ""
                finish = chunk.choices[0].finish_reason or finish
                for call in delta.tool_calls or ():
                    if call.id:
                        calls.append([call.function.name, ""])
                    calls[call.index][1] += call.function.arguments or ""
    except ProviderError as raised:
        error = raised
    await stream.aclose()
    usage = stream.usage
    counts = (usage.prompt_tokens, usage.completion_tokens) if usage is not None else None
    found = [(name, json.loads(arguments)) for name, arguments in calls]
    return (text, thinking, found, finish, counts), error


async def test_stream_of_every_recording_means_what_the_reader_says_wherever_it_is_split() -> None:
    for candidate in recorded(streamed=True):
        read = Read(candidate.body)
        expected = (read.text, read.thinking, read.calls, read.finish, read.counts)
        for end in (b"\n", b"\r\n"):
            body = candidate.body.replace(b"\n", end)
            for step in (len(body), 7 if len(body) > 50_000 else 1):
                pieces = [body[start : start + step] for start in range(0, len(body), step)]
                assert await said(pieces) == (expected, None), (candidate.name, step)


async def test_stream_of_every_recording_cut_at_a_line_fails() -> None:
    for candidate in recorded(streamed=True):
        lines = candidate.body.splitlines(keepends=True)
        for count in range(0, len(lines), max(1, len(lines) // 40)):
            _, error = await said(lines[:count])
            assert error is not None, (candidate.name, count)
            assert error.kind is ErrorKind.CONNECTION


def test_error_of_the_recording_says_that_there_is_no_such_model() -> None:
    found = [one for one in recordings(API) if one.status != 200]
    assert len(found) == 1
    error = to_error(Failure(found[0].status, {}, found[0].body))
    assert (error.kind, error.status) == (ErrorKind.MODEL_NOT_FOUND, 404)
    assert error.message == "model 'nonexistent-model:latest' not found"


def from_ollama(body: dict) -> dict:
    """A recorded request as a client of OpenAI's format would write it."""
    ids: list[tuple[str, str]] = []
    messages = []
    for message in body["messages"]:
        one = {"role": message["role"], "content": message["content"]}
        if message.get("tool_calls"):
            one["tool_calls"] = []
            for call in message["tool_calls"]:
                function = call["function"]
                ids.append((f"call_{len(ids)}", function["name"]))
                arguments = json.dumps(function["arguments"])
                called = {"name": function["name"], "arguments": arguments}
                one["tool_calls"].append({"id": ids[-1][0], "type": "function", "function": called})
        if message["role"] == "tool":
            place = next(index for index, (_, name) in enumerate(ids) if name == message["tool_name"])
            one["tool_call_id"] = ids.pop(place)[0]
        messages.append(one)
    fields = {"model": "public", "messages": messages}
    if body.get("tools"):
        fields["tools"] = body["tools"]
    fields |= {name: body["options"][name] for name in ("temperature", "seed") if name in body.get("options") or {}}
    if body.get("think") is False:
        fields["reasoning_effort"] = "none"
    return fields


async def test_request_of_every_recording_reaches_ollama_as_it_was_recorded() -> None:
    count = 0
    for candidate in recordings(API, status=200):
        recorded_body = candidate.request_body
        request = msgspec.json.decode(json.dumps(from_ollama(recorded_body)), type=ChatRequest)
        transport = PlayedTransport(Played([candidate.body]))
        adapter = OllamaAdapter(transport)
        if candidate.streamed:
            await (await adapter.chat_stream(request, call_of())).aclose()
        else:
            await adapter.chat(request, call_of())
        sent = json.loads(transport.requests[0].body)
        for message in sent["messages"]:
            message.pop("tool_call_id", None)
            for call in message.get("tool_calls", ()):
                del call["id"]
        expected = {name: value for name, value in recorded_body.items() if value not in (None, {}, [], "")}
        expected |= {"model": "up", "stream": candidate.streamed}
        for message in (*sent["messages"], *expected["messages"]):
            for call in message.get("tool_calls", ()):
                call["type"] = "function"
        assert sent == expected, candidate.name
        count += 1
    assert count >= 8
