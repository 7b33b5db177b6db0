"""Answers in Mistral's own bytes, written after https://docs.mistral.ai/api/: whole and streamed alike."""

import json

HEAD = {"id": "16afe493ba93", "created": 1_760_000_000, "model": "magistral-2026"}
USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "num_cached_tokens": 4}
ERROR = {"object": "error", "message": "Internal server error", "type": "internal_server_error", "code": "3000"}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def thinking(value: str) -> dict:
    return {"type": "thinking", "thinking": [text(value)]}


def reference(*ids: int | str) -> dict:
    return {"type": "reference", "reference_ids": list(ids)}


def call(call_id: str, name: str, arguments: str) -> dict:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}}


def whole(content: str | list[dict], calls=(), finish: str = "stop") -> bytes:
    message = {"role": "assistant", "content": content, "tool_calls": list(calls) or None}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return encode({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def stream(content: str | list[dict], calls=(), finish: str = "stop") -> bytes:
    """The same answer in events: texts cut in two, calls whole, usage on the last."""
    deltas: list[dict] = [{"role": "assistant", "content": ""}]
    for chunk in content if isinstance(content, list) else [content]:
        if isinstance(chunk, str) or chunk["type"] == "text":
            value = chunk if isinstance(chunk, str) else chunk["text"]
            deltas += [{"content": piece} for piece in (value[:3], value[3:]) if piece]
        elif chunk["type"] == "thinking":
            value = chunk["thinking"][0]["text"]
            deltas += [{"content": [thinking(piece)]} for piece in (value[:3], value[3:])]
        else:
            deltas.append({"content": [chunk]})
    last = {"content": "", "tool_calls": list(calls)} if calls else {"content": ""}
    events = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    events.append({"index": 0, "delta": last, "finish_reason": finish})
    head = {**HEAD, "object": "chat.completion.chunk"}
    items = [{**head, "choices": [event]} for event in events]
    items[-1]["usage"] = USAGE
    return b"".join(b"data: %b\n\n" % encode(item) for item in items) + b"data: [DONE]\n\n"


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
