"""Answers in Ollama's own bytes, after https://github.com/ollama/ollama/blob/main/docs/api.md: whole and streamed."""

import json

from adapters.sse import Event
from adapters.transport import Transport
from tests.adapters.framing import Framing

HEAD = {"model": "qwen3:4b", "created_at": "2026-08-06T06:29:40.054952Z"}
COUNTERS = {"total_duration": 900, "load_duration": 100, "prompt_eval_count": 20, "eval_count": 9, "eval_duration": 700}
ERROR = {"error": "llama runner process has terminated"}


def call(call_id: str | None, name: str, arguments: dict) -> dict:
    identity = {} if call_id is None else {"id": call_id}
    return {**identity, "function": {"index": 0, "name": name, "arguments": arguments}}


def whole(text: str, *, thinking: str = "", calls=(), reason: str = "stop", **fields) -> bytes:
    message: dict = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = list(calls)
    return encode({**HEAD, "message": message, "done": True, "done_reason": reason, **COUNTERS, **fields})


def lines(text: str, *, thinking: str = "", calls=(), reason: str = "stop", logprobs=()) -> list[dict]:
    """The same answer in lines: texts cut in two, calls whole, one line for each token with its log probability."""
    messages: list[dict] = [{"content": "", "thinking": piece} for piece in halves(thinking)]
    if logprobs:
        messages += [{"content": one["token"]} for one in logprobs]
    else:
        messages += [{"content": piece} for piece in halves(text)]
    messages += [{"content": "", "tool_calls": [one]} for one in calls]
    found = [{**HEAD, "message": {"role": "assistant", **message}, "done": False} for message in messages]
    for line, one in zip(found, logprobs, strict=False):
        line["logprobs"] = [one]
    end = {**HEAD, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason, **COUNTERS}
    return [*found, end]


def stream(*found: dict) -> bytes:
    return b"".join(encode(line) + b"\n" for line in found)


def server_sent(*found: dict) -> bytes:
    """Lines as the conformance suite rewrites streams; `framing` makes lines of them again."""
    return b"".join(b"data: " + encode(line) + b"\n\n" for line in found)


def halves(value: str) -> list[str]:
    middle = len(value) // 2
    return [piece for piece in (value[:middle], value[middle:]) if piece]


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def framing(inner: Transport) -> Framing:
    """Lines for the events of a conformance case."""
    return Framing(inner, lambda request: b'"stream":true' in request.body, _line)


def _line(event: Event) -> bytes:
    return event.data.replace(b"\n", b" ") + b"\n"
