"""Cohere's paths (API v2), credentials, errors and answers."""

import inspect
from typing import Any

import cohere
import pydantic

from upstreams.dialects import cohere_answers
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, data_event, json_reply

OPERATIONS = {"/v2/chat": "cohere.v2.chat", "/v2/embed": "embed", "/v2/rerank": "rerank", "/v1/models": "models"}
ERRORS = {
    400: "invalid request: the request is invalid.",
    401: "invalid api token",
    403: "your API key has no access to this resource.",
    404: "model 'm' not found, make sure the correct model ID was used and that you have access to the model.",
    429: "You are using a Trial key, which is limited to 20 API calls / minute.",
    500: "An internal error has occurred.",
    503: "The service is temporarily unavailable.",
}
MODELS = ("command-a-03-2025", "embed-v4.0")
# The package's own models say what may stand in a request.
FORMS: dict[str, Any] = {
    "messages": list[cohere.ChatMessageV2],
    "tools": list[cohere.ToolV2],
    "response_format": cohere.ResponseFormatV2,
    "thinking": cohere.Thinking,
}
ADAPTERS = {name: pydantic.TypeAdapter[Any](form) for name, form in FORMS.items()}
FIELDS = {
    "cohere.v2.chat": frozenset(inspect.signature(cohere.ClientV2.chat_stream).parameters) | {"stream"},
    "embed": frozenset(inspect.signature(cohere.ClientV2.embed).parameters),
    "rerank": frozenset(inspect.signature(cohere.ClientV2.rerank).parameters),
}
MAX_STOPS = 5
RANGES = {"temperature": (0, 1), "p": (0.01, 0.99), "k": (0, 500), "frequency_penalty": (0, 1)}


class Cohere(Dialect):
    """`/v2/chat`, `/v2/embed`, `/v2/rerank`, `/v1/models`; the key is a bearer token."""

    name = "cohere"

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key)

    def call(self, request: Request) -> Call:
        if request.header("authorization") != f"Bearer {self.key}":
            raise self.refuse(401, "invalid api token")
        operation = OPERATIONS.get(request.path)
        if operation is None or request.method != ("GET" if operation == "models" else "POST"):
            raise self.refuse(404, "not found")
        body: JsonObject = {} if operation == "models" else self.body(request)
        return Call(operation, str(body.get("model", "")), body.get("stream") is True, body, request)

    def check(self, call: Call) -> None:
        problem = None if call.operation == "models" else first_problem(call)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        if call.operation == "models":
            listed = [{"name": name, "endpoints": ["embed" if "embed" in name else "chat"]} for name in MODELS]
            return Answer(json_reply({"models": listed}))
        if call.operation == "rerank":
            return cohere_answers.ranking(call)
        return cohere_answers.embeddings(call) if call.operation == "embed" else cohere_answers.chat(call)

    def error(self, status: int, message: str | None = None) -> Reply:
        text = message or ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        return json_reply({"id": "req-mock", "message": text}, status, (("x-debug-trace-id", "trace-mock"),))

    def error_event(self) -> bytes:
        delta = {"finish_reason": "ERROR", "error": "the generation failed"}
        return data_event({"type": "message-end", "id": "mock", "delta": delta}, "message-end")


def first_problem(call: Call) -> str | None:
    """What the API would say about the first rule that a body breaks; None if there is none."""
    unknown = call.body.keys() - FIELDS[call.operation]
    if unknown:
        return f"invalid request: unknown field {min(unknown)}"
    for name, adapter in ADAPTERS.items():
        if call.body.get(name) is not None:
            try:
                adapter.validate_python(call.body[name])
            except pydantic.ValidationError as error:
                return f"invalid type: {name}: {error.errors()[0]['msg']}"
    for name, (least, most) in RANGES.items():
        if not least <= call.body.get(name, least) <= most:
            return f"invalid request: {name} must be between {least} and {most} inclusive."
    if call.operation == "rerank":
        return None if call.body.get("documents") else "invalid request: list of documents must not be empty"
    return chat_problem(call.body) if call.operation == "cohere.v2.chat" else texts(call.body)


def chat_problem(body: JsonObject) -> str | None:
    """A form of the answer stands alone; stop sequences are few; the history is whole."""
    if (body.get("response_format") or {}).get("type") == "json_object":
        for name in ("tools", "documents"):
            if body.get(name):
                return f"invalid request: response_format is not supported with {name}"
    if len(body.get("stop_sequences") or []) > MAX_STOPS:
        return f"invalid request: stop_sequences must have at most {MAX_STOPS} items"
    return history_problem(body.get("messages") or [])


def history_problem(messages: list[JsonObject]) -> str | None:
    """Every tool result answers a call of the turn before it, and every call has its result."""
    if not messages:
        return "invalid request: messages must not be empty"
    asked: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in asked:
                return f"invalid request: tool call id {message['tool_call_id']} not found in previous tool calls"
            asked.discard(message["tool_call_id"])
            continue
        if asked:
            return "invalid request: missing tool results for the previous tool calls"
        asked = {called["id"] for called in message.get("tool_calls") or []}
    return None


def texts(body: JsonObject) -> str | None:
    """At most 96 texts, and what they are for."""
    if not body.get("texts") or len(body["texts"]) > 96:
        return "invalid request: total number of texts must be at most 96 and at least 1"
    return None if "input_type" in body else "invalid request: valid input_type must be provided"
