"""Ollama's own paths, errors and answers: lines of JSON in the place of events."""

import json
from collections.abc import Iterator

from upstreams import live
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, vector, words
from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, json_reply

OPERATIONS = {"/api/chat": "ollama.chat", "/api/embed": "ollama.embed", "/api/tags": "ollama.tags"}
FIELDS = {
    "ollama.chat": {
        "model", "messages", "stream", "tools", "format", "options", "think", "keep_alive", "logprobs", "top_logprobs",
    },
    "ollama.embed": {"model", "input", "truncate", "dimensions", "options", "keep_alive"},
}  # fmt: skip
ROLES = {"system", "user", "assistant", "tool"}
MODELS = ("a-model", "embedding-model")
CREATED = "2026-11-26T12:00:00Z"
DEFAULT_DIMENSIONS = 8


class Ollama(Dialect):
    """`/api/chat`, `/api/embed`, `/api/tags`; the key, where there is one, is a bearer token."""

    name = "ollama"

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key)

    def call(self, request: Request) -> Call:
        if request.header("authorization") not in {None, f"Bearer {self.key}"}:
            raise self.refuse(401, "unauthorized")
        operation = OPERATIONS.get(request.path)
        if operation is None or request.method != ("GET" if operation == "ollama.tags" else "POST"):
            raise self.refuse(404, "404 page not found")
        body: JsonObject = {} if operation == "ollama.tags" else self.body(request)
        streamed = operation == "ollama.chat" and body.get("stream") is not False
        return Call(operation, str(body.get("model", "")), streamed, body, request)

    def check(self, call: Call) -> None:
        problem = None if call.operation == "ollama.tags" else first_problem(call)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        if call.operation == "ollama.tags":
            return Answer(json_reply({"models": [{"name": name, "model": name} for name in MODELS]}))
        return embeddings(call) if call.operation == "ollama.embed" else chat(call)

    def error(self, status: int, message: str | None = None) -> Reply:
        return json_reply({"error": message or f"the server answers {status}"}, status)

    def error_event(self) -> bytes:
        return line({"error": "llama runner process has terminated"})


def first_problem(call: Call) -> str | None:
    """What the API would say about the first rule that a body breaks; None if there is none."""
    unknown = call.body.keys() - FIELDS[call.operation]
    if unknown:
        return f"the gateway sends what Ollama does not know: {min(unknown)}"
    if not call.model:
        return "model is required"
    for message in call.body.get("messages") or []:
        if message.get("role") not in ROLES or not isinstance(message.get("content"), str):
            return "json: cannot unmarshal the messages"
        for called in message.get("tool_calls") or []:
            if not isinstance(called["function"]["arguments"], dict):
                return "json: cannot unmarshal string into Go struct field ToolCallFunction.arguments"
    return None


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    messages = body["messages"]
    users = [message["content"] for message in messages if message["role"] == "user"]
    form = body.get("format")
    return Ask(
        text=users[-1] if users else "",
        prompt="".join(message["content"] + json.dumps(message.get("tool_calls") or "") for message in messages),
        tools=tuple(Tool(tool["function"]["name"], tool["function"]["parameters"]) for tool in body.get("tools") or []),
        choice="auto",
        tool_result=messages[-1]["content"] if messages[-1]["role"] == "tool" else None,
        schema=form if isinstance(form, dict) else None,
        json_object=form == "json",
        max_tokens=(body.get("options") or {}).get("num_predict"),
        reasoning=bool(body.get("think")),
    )


def chat(call: Call) -> Answer:
    """A chat, whole or streamed; calls come whole in either."""
    ask = ask_of(call.body)
    turn = live.turn(ask)
    calls = [
        {
            "id": stable_id("call_", f"{ask.prompt}/{position}", 8),
            "function": {"index": position, "name": one.name, "arguments": one.arguments},
        }
        for position, one in enumerate(turn.calls)
    ]
    counted = Usage(prompt=turn.usage.prompt, completion=turn.usage.completion)
    end = {
        "done": True,
        "done_reason": "length" if turn.finish == "length" else "stop",
        "total_duration": 1000,
        "prompt_eval_count": counted.prompt,
        "eval_count": counted.completion,
    }
    head = {"model": call.model, "created_at": CREATED}
    if call.streamed:
        parts = [line({**head, "message": message, "done": False}) for message in pieces(turn, calls)]
        parts.append(line({**head, "message": {"role": "assistant", "content": ""}, **end}))
        return Answer(Reply(200, (("content-type", "application/x-ndjson"),), tuple(parts), streamed=True), counted)
    message: JsonObject = {"role": "assistant", "content": turn.text or turn.refusal or ""}
    if turn.reasoning:
        message["thinking"] = turn.reasoning
    if calls:
        message["tool_calls"] = calls
    return Answer(json_reply({**head, "message": message, **end}), counted)


def pieces(turn: Turn, calls: list[JsonObject]) -> Iterator[JsonObject]:
    """The messages of a stream's lines."""
    for word in words(turn.reasoning):
        yield {"role": "assistant", "content": "", "thinking": word}
    for word in words(turn.text or turn.refusal or ""):
        yield {"role": "assistant", "content": word}
    for one in calls:
        yield {"role": "assistant", "content": "", "tool_calls": [one]}


def embeddings(call: Call) -> Answer:
    """One vector for each text."""
    given = call.body["input"] if isinstance(call.body["input"], list) else [call.body["input"]]
    dimensions = call.body.get("dimensions") or DEFAULT_DIMENSIONS
    count = sum(map(tokens, given))
    document = {
        "model": call.model,
        "embeddings": [vector(text, dimensions) for text in given],
        "prompt_eval_count": count,
    }
    return Answer(json_reply(document), Usage(prompt=count))


def line(document: object) -> bytes:
    """One line of a stream."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
