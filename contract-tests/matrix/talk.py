"""One conversation with an adapter through the gateway, as plain HTTP, and what its provider's mock was sent."""

import json
from collections.abc import Sequence

from gateway_fixtures import Mocks
from msgspec import Struct
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from raw_http import Answer, Connection, request_bytes
from running_gateway import TOKEN, RunningGateway
from upstreams import Reading, Upstream
from upstreams.readers import read_body
from upstreams.readers.sse import payloads
from upstreams.recordings import JsonObject

from matrix.subjects import Subject

Messages = Sequence[JsonObject]


class Heard(Struct, frozen=True):
    """An answer of the gateway."""

    answer: Answer

    @property
    def body(self) -> JsonObject:
        """The completion; an error fails the test with what it says."""
        assert self.answer.status == 200, self.answer.body[:600]
        ChatCompletion.model_validate(self.answer.json(), strict=False)
        return dict(self.answer.json())

    @property
    def choice(self) -> JsonObject:
        """The first choice."""
        found: JsonObject = self.body["choices"][0]
        return found

    @property
    def message(self) -> JsonObject:
        """Its message."""
        found: JsonObject = self.choice["message"]
        return found

    @property
    def text(self) -> str:
        """Its text."""
        return str(self.message["content"] or "")

    @property
    def calls(self) -> list[JsonObject]:
        """Its tool calls."""
        return list(self.message.get("tool_calls") or [])

    @property
    def finish(self) -> str:
        """Its finish reason."""
        return str(self.choice["finish_reason"])

    @property
    def usage(self) -> JsonObject:
        """The usage."""
        found: JsonObject = self.body["usage"]
        return found

    @property
    def dropped(self) -> set[str]:
        """The parameters that the gateway names as left out or changed."""
        return set(filter(None, self.answer.headers.get("x-aqueduct-dropped-params", "").split(",")))

    @property
    def error(self) -> JsonObject:
        """The error object; an answer fails the test."""
        assert self.answer.status >= 400, self.answer.body[:600]
        return dict(self.answer.error())

    def refused(self, status: int, code: str) -> bool:
        """Whether it is an error of this status and code; fails with what it is instead."""
        assert (self.answer.status, self.error["code"]) == (status, code), self.answer.body[:600]
        return True


class Streamed(Struct, frozen=True):
    """A stream of the gateway: `events` are its data, the end mark included."""

    answer: Answer
    events: list[str]

    @property
    def chunks(self) -> list[JsonObject]:
        """The chunks; an error event fails the test."""
        found: list[JsonObject] = [json.loads(event) for event in self.events if event != "[DONE]"]
        for chunk in found:
            assert "error" not in chunk, chunk
            ChatCompletionChunk.model_validate(chunk, strict=False)
        return found

    @property
    def choices(self) -> list[JsonObject]:
        """Every choice of every chunk."""
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def reading(self) -> Reading:
        """What it means."""
        return read_body("chat.completions", self.answer.status, self.answer.body, "sse")

    @property
    def errors(self) -> list[JsonObject]:
        """The error events, held to their form."""
        found = [document["error"] for document in map(json.loads, self.events[:-1]) if "error" in document]
        assert all(set(error) == {"message", "type", "param", "code"} for error in found)
        return found


class Talk:
    """Asks the gateway for one adapter's model. `unsupported` is why its provider lacks what the test is about."""

    def __init__(self, gateway: RunningGateway, mocks: Mocks, subject: Subject, unsupported: str | None) -> None:
        self.gateway = gateway
        self.subject = subject
        self.unsupported = unsupported
        self.upstream: Upstream = getattr(mocks, subject.mock)

    def ask(self, said: str | Messages = "hello", *, to: str = "", **fields: object) -> Heard:
        """Send a user's text, or messages; `to` is the suffix of one of the adapter's other models."""
        return Heard(self._post("chat/completions", self._body(said, to, fields)))

    def stream(self, said: str | Messages = "hello", *, to: str = "", **fields: object) -> Streamed:
        """The same, streamed to its end, with usage."""
        options = {"stream": True, "stream_options": {"include_usage": True}}
        answer = self._post("chat/completions", self._body(said, to, options | fields))
        streamed = answer.headers["content-type"].startswith("text/event-stream")
        return Streamed(answer, payloads(answer.body) if streamed else [])

    def embed(self, given: object, **fields: object) -> Heard:
        """Ask for embeddings."""
        body = {"model": f"{self.subject.name}-embedding", "input": given, **fields}
        return Heard(self._post("embeddings", body))

    def _body(self, said: str | Messages, to: str, fields: dict[str, object]) -> JsonObject:
        messages = [user(said)] if isinstance(said, str) else list(said)
        return {"model": self.subject.name + to, "messages": messages, **fields}

    def ask_with(self, headers: tuple[tuple[str, str], ...], **fields: object) -> Heard:
        """Send a user's text with headers of the client's own."""
        return Heard(self._post("chat/completions", self._body("hello", "", fields), headers))

    def _post(self, path: str, body: JsonObject, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        data = request_bytes(f"/v1/{path}", json.dumps(body).encode(), token=TOKEN, headers=headers)
        with Connection(self.gateway.port) as connection:
            connection.send(data)
            return connection.answer()

    @property
    def sent(self) -> JsonObject:
        """The body of the provider's last request."""
        return self.upstream.ledger[-1].call.body

    @property
    def sent_text(self) -> str:
        """The same as text, to look for words that must have arrived."""
        return json.dumps(self.sent, ensure_ascii=False)

    def param(self, name: str) -> object:
        """A parameter of the provider's last request, by OpenAI's name; None where it was not sent."""
        value: object = self.sent
        for step in PLACES[self.subject.dialect].get(name, name).split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def declined(self, heard: Heard, *params: str) -> bool:
        """Whether the provider has no such parameter; then the gateway must have said so and sent nothing of it."""
        if self.unsupported is None:
            return False
        assert heard.answer.status == 200, heard.answer.body[:600]
        assert set(params) <= heard.dropped
        return True


PLACES: dict[str, dict[str, str]] = {
    "openai": {"max_tokens": "max_tokens"},
    "anthropic": {"stop": "stop_sequences", "user": "metadata.user_id"},
    "google": {
        "frequency_penalty": "generationConfig.frequencyPenalty",
        "logprobs": "generationConfig.responseLogprobs",
        "max_tokens": "generationConfig.maxOutputTokens",
        "n": "generationConfig.candidateCount",
        "presence_penalty": "generationConfig.presencePenalty",
        "seed": "generationConfig.seed",
        "stop": "generationConfig.stopSequences",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
    },
    "bedrock": {
        "max_tokens": "inferenceConfig.maxTokens",
        "stop": "inferenceConfig.stopSequences",
        "temperature": "inferenceConfig.temperature",
        "top_p": "inferenceConfig.topP",
    },
    "cohere": {"stop": "stop_sequences", "top_p": "p"},
    "ollama": {
        "frequency_penalty": "options.frequency_penalty",
        "max_tokens": "options.num_predict",
        "presence_penalty": "options.presence_penalty",
        "seed": "options.seed",
        "stop": "options.stop",
        "temperature": "options.temperature",
        "top_p": "options.top_p",
    },
}
"""Where a dialect has a parameter, where it is not OpenAI's place."""


def user(text: object) -> JsonObject:
    """A user's message."""
    return {"role": "user", "content": text}


def tool(name: str, parameters: JsonObject | None = None, **fields: object) -> JsonObject:
    """A function tool."""
    made: JsonObject = {"name": name, "description": f"Does {name}", **fields}
    if parameters is not None:
        made["parameters"] = parameters
    return {"type": "function", "function": made}


def called(identity: str, name: str, arguments: str = "{}") -> JsonObject:
    """A call, as it stands in an assistant's message."""
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(content: object = None, *calls: JsonObject, **fields: object) -> JsonObject:
    """An assistant's message."""
    message: JsonObject = {"role": "assistant", "content": content, **fields}
    return {**message, "tool_calls": list(calls)} if calls else message


def result(identity: str, content: object) -> JsonObject:
    """A tool's result."""
    return {"role": "tool", "tool_call_id": identity, "content": content}
