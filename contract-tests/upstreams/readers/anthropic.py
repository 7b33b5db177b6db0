"""What Anthropic's messages and their event streams mean."""

import json

from upstreams.readers.sse import Decoded, arguments, error_message
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import JsonObject

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "compaction": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
DELTA_FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def read(status: int, decoded: Decoded) -> Reading:
    """A whole message, an error body, or the events of a stream."""
    documents = decoded.documents
    if status >= 400:
        return Reading(error=ReadError(status, error_message(documents[0])))
    if documents[0].get("type") == "message":
        return read_message(documents[0])
    return read_message(*joined(status, documents))


def joined(status: int, events: list[JsonObject]) -> tuple[JsonObject, ReadError | None]:
    """One message from a stream's events, and the error that ended it. Usage counts replace earlier ones."""
    message: JsonObject = {"content": [], "usage": {}, "stop_reason": None}
    error: ReadError | None = None
    for event in events:
        match event["type"]:
            case "message_start":
                message["usage"].update(event["message"].get("usage") or {})
            case "content_block_start":
                block = event["content_block"]
                message["content"].append({**block, "pieces": "", "citations": [*(block.get("citations") or [])]})
            case "content_block_delta" if event["delta"]["type"] == "citations_delta":
                message["content"][event["index"]]["citations"].append(event["delta"]["citation"])
            case "content_block_delta":
                field = DELTA_FIELDS.get(event["delta"]["type"])
                message["content"][event["index"]]["pieces"] += event["delta"][field] if field else ""
            case "message_delta":
                message["stop_reason"] = event["delta"].get("stop_reason") or message["stop_reason"]
                message["stop_details"] = event["delta"].get("stop_details")
                counts = event.get("usage") or {}
                message["usage"].update({key: value for key, value in counts.items() if value is not None})
            case "error":
                error = ReadError(status, error_message(event))
    return message, error


def read_message(message: JsonObject, error: ReadError | None = None) -> Reading:
    """The meaning of a message's blocks; what server tools did is not part of the answer."""
    blocks = message["content"]
    text = "".join(block.get("text", "") + pieces(block) for block in blocks if block["type"] == "text")
    thinking = "".join(block.get("thinking", "") + pieces(block) for block in blocks if block["type"] == "thinking")
    reason, details = message.get("stop_reason"), message.get("stop_details") or {}
    return Reading(
        text=text,
        reasoning=thinking,
        tool_calls=tuple(call_of(block) for block in blocks if block["type"] == "tool_use"),
        finish=FINISH.get(reason, "stop") if reason else None,
        usage=usage_of(message.get("usage") or {}),
        refusal=(details.get("explanation") or text) if reason == "refusal" else None,
        error=error,
        citations=tuple(page for block in blocks for page in pages_of(block)),
    )


def pages_of(block: JsonObject) -> list[Citation]:
    """The web pages that a text cites; places in the caller's documents have no address."""
    cited = block.get("citations") or [] if block["type"] == "text" else []
    text = block.get("text", "") + pieces(block)
    pages = [Citation(one.get("url") or one.get("source") or "", one.get("title") or "", text) for one in cited]
    return [page for page in pages if page.url.startswith("http")]


def pieces(block: JsonObject) -> str:
    """What a stream's deltas added to a block."""
    return str(block.get("pieces", ""))


def call_of(block: JsonObject) -> ToolCall:
    """A call; a stream gives its input as pieces of JSON."""
    return ToolCall(block["name"], arguments(pieces(block) or json.dumps(block["input"])))


def usage_of(usage: JsonObject) -> Usage | None:
    """Counts in OpenAI's terms: Anthropic's input excludes what was read from and written to the cache."""
    if "input_tokens" not in usage:
        return None
    parts = usage.get("iterations") or [usage]
    count = {key: sum(part.get(key) or 0 for part in parts) for key in COUNTS}
    details = usage.get("output_tokens_details") or {}
    return Usage(
        prompt=count["input_tokens"] + count["cache_read_input_tokens"] + count["cache_creation_input_tokens"],
        completion=count["output_tokens"],
        cached=None if usage.get("cache_read_input_tokens") is None else count["cache_read_input_tokens"],
        cache_write=None if usage.get("cache_creation_input_tokens") is None else count["cache_creation_input_tokens"],
        reasoning=details.get("thinking_tokens"),
    )
