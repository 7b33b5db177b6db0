"""Answers in Converse's own JSON, whole and streamed, written after its documentation; knows no adapter.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, checked 2026-11-24.
The streams of `server_sent` stand for frames: `frames.framing` turns each event into one.
"""

import base64
import json

from tests.adapters.bedrock import frames

USAGE = {
    "inputTokens": 10,
    "outputTokens": 25,
    "totalTokens": 45,
    "cacheReadInputTokens": 4,
    "cacheWriteInputTokens": 6,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 2}, {"ttl": "5m", "inputTokens": 4}],
}
REDACTED = base64.b64encode(b"RW5jcnlwdGVk").decode()
ERROR = {"message": "The system encountered an unexpected error during processing. Try your request again."}


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def text(value: str) -> dict:
    return {"text": value}


def thinking(value: str, signature: str = "c2ln") -> dict:
    return {"reasoningContent": {"reasoningText": {"text": value, "signature": signature}}}


def redacted() -> dict:
    return {"reasoningContent": {"redactedContent": REDACTED}}


def call(name: str, call_id: str, /, **arguments: object) -> dict:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments, "type": "tool_use"}}


def image(data: bytes, form: str = "png") -> dict:
    return {"image": {"format": form, "source": {"bytes": base64.b64encode(data).decode()}}}


def server_call() -> dict:
    return {
        "toolUse": {"toolUseId": "t1", "name": "nova_grounding", "input": {"query": "x"}, "type": "server_tool_use"}
    }


def server_result() -> dict:
    return {"toolResult": {"toolUseId": "t1", "content": [{"text": "[HIDDEN]"}], "status": "success", "type": "x"}}


def cited(value: str, url: str) -> dict:
    location = {"location": {"web": {"url": url, "domain": "ulm.example"}}}
    return {"citationsContent": {"content": [{"text": value}], "citations": [location]}}


def whole(*blocks: dict, stop: str = "end_turn", **fields: object) -> bytes:
    message = {"role": "assistant", "content": list(blocks)}
    return encode(
        {"metrics": {"latencyMs": 5}, "output": {"message": message}, "stopReason": stop, "usage": USAGE, **fields}
    )


def events(*blocks: dict, stop: str = "end_turn", **fields: object) -> list[tuple[str, dict]]:
    """Names and payloads; texts and inputs are cut in two. Where `fields` are in a stream follows the API."""
    found: list[tuple[str, dict]] = [("messageStart", {"role": "assistant", "p": "abc"})]
    for index, block in enumerate(blocks):
        found += _events_of(index, block)
        found.append(("contentBlockStop", {"contentBlockIndex": index}))
    end = {"stopReason": stop}
    if "additionalModelResponseFields" in fields:
        end["additionalModelResponseFields"] = fields.pop("additionalModelResponseFields")
    found.append(("messageStop", end))
    found.append(("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}, **fields}))
    return found


def _events_of(index: int, block: dict) -> list[tuple[str, dict]]:
    deltas: list[dict] = []
    start: dict | None = None
    if "text" in block:
        deltas = [{"text": piece} for piece in (block["text"][:3], block["text"][3:])]
    elif "reasoningContent" in block and "reasoningText" in block["reasoningContent"]:
        given = block["reasoningContent"]["reasoningText"]
        pieces = ({"text": given["text"][:3]}, {"text": given["text"][3:]}, {"signature": given["signature"]})
        deltas = [{"reasoningContent": piece} for piece in pieces]
    elif "reasoningContent" in block:
        deltas = [block]
    elif "toolUse" in block:
        start = {"toolUse": {name: value for name, value in block["toolUse"].items() if name != "input"}}
        given = encode(block["toolUse"]["input"]).decode()
        pieces = ("", given[:4], given[4:]) if block["toolUse"]["input"] else ("",)
        deltas = [{"toolUse": {"input": piece}} for piece in pieces]
    elif "toolResult" in block:
        start = {"toolResult": {name: value for name, value in block["toolResult"].items() if name != "content"}}
        deltas = [{"toolResult": block["toolResult"]["content"]}]
    elif "image" in block:
        start = {"image": {"format": block["image"]["format"]}}
        data = base64.b64decode(block["image"]["source"]["bytes"])
        pieces = (data[:4], data[4:])  # each has base64 of its own
        deltas = [{"image": {"source": {"bytes": base64.b64encode(piece).decode()}}} for piece in pieces]
    elif "citationsContent" in block:
        deltas = [{"citation": one} for one in block["citationsContent"]["citations"]]
        deltas += [{"text": one["text"]} for one in block["citationsContent"]["content"]]
    found = [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
    return ([("contentBlockStart", {"contentBlockIndex": index, "start": start})] if start else []) + found


def server_sent(*pairs: tuple[str, object]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (name.encode(), encode(payload)) for name, payload in pairs)


def stream(*blocks: dict, stop: str = "end_turn", **fields: object) -> bytes:
    """As the provider sends it."""
    return b"".join(frames.event(name, payload) for name, payload in events(*blocks, stop=stop, **fields))
