"""What Bedrock's Converse answers and their event streams mean."""

import json

from upstreams.readers.sse import Decoded, arguments, error_message
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import JsonObject

FINISH = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}


def read(status: int, decoded: Decoded) -> Reading:
    """A whole answer, an error body, or the messages of a stream."""
    documents = decoded.documents
    if status >= 400:
        return Reading(error=ReadError(status, error_message(documents[0])))
    if not decoded.streamed:
        return read_answer(documents[0], documents[0]["output"]["message"]["content"])
    end: JsonObject = {}
    for document in documents:
        end |= document.get("messageStop") or document.get("metadata") or {}
    failed = next((ReadError(status, error_message(one["error"])) for one in documents if "error" in one), None)
    return read_answer(end, joined(documents), failed)


def joined(documents: list[JsonObject]) -> list[JsonObject]:
    """The blocks that a stream spells out, in the form of an unstreamed answer."""
    blocks: dict[int, JsonObject] = {}
    for document in documents:
        if "contentBlockStart" in document:
            start = document["contentBlockStart"]
            blocks[start["contentBlockIndex"]] = json.loads(json.dumps(start["start"]))
        elif "contentBlockDelta" in document:
            delta = document["contentBlockDelta"]
            add(blocks.setdefault(delta["contentBlockIndex"], {}), delta["delta"])
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = arguments(block["toolUse"].get("input") or "")
    return [blocks[index] for index in sorted(blocks)]


def add(block: JsonObject, delta: JsonObject) -> None:
    """Add a delta to its block; signatures have no part in a reading."""
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    if "toolUse" in delta:
        block["toolUse"]["input"] = block["toolUse"].get("input", "") + delta["toolUse"]["input"]
    if "citation" in delta:
        block.setdefault("citationsContent", {"citations": []})["citations"].append(delta["citation"])
    thought = (delta.get("reasoningContent") or {}).get("text")
    if thought:
        reasoning = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        reasoning["text"] += thought


def read_answer(answer: JsonObject, blocks: list[JsonObject], error: ReadError | None = None) -> Reading:
    """The meaning of an answer's blocks; what the provider's own tools did is not part of it."""
    text = reasoning = ""
    calls: list[ToolCall] = []
    for block in blocks:
        text += text_of(block)
        reasoning += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        call = block.get("toolUse")
        if call and call.get("type") != "server_tool_use":
            calls.append(ToolCall(call["name"], call["input"]))
    reason = answer.get("stopReason")
    return Reading(
        text=text,
        reasoning=reasoning,
        tool_calls=tuple(calls),
        finish=FINISH.get(reason, "stop") if reason else None,
        usage=usage_of(answer.get("usage") or {}),
        error=error,
        citations=tuple(page for block in blocks for page in pages_of(block)),
    )


def text_of(block: JsonObject) -> str:
    """What a block says, with or without citations."""
    return block.get("text", "") + "".join(
        piece["text"] for piece in block.get("citationsContent", {}).get("content", ())
    )


def pages_of(block: JsonObject) -> list[Citation]:
    """The web pages that a block cites, under the name of their site where they have no title."""
    cited = block.get("citationsContent", {}).get("citations", ())
    webs = [(one, one.get("location", {}).get("web") or {}) for one in cited]
    named = [(web["url"], one.get("title") or web.get("domain") or "") for one, web in webs if "url" in web]
    return [Citation(url, title, text_of(block)) for url, title in named]


def usage_of(counts: JsonObject) -> Usage | None:
    """Counts in OpenAI's terms: the total has what was read from and written to the cache, the input has not."""
    if "totalTokens" not in counts:
        return None
    return Usage(
        prompt=counts["totalTokens"] - counts["outputTokens"],
        completion=counts["outputTokens"],
        cached=counts.get("cacheReadInputTokens"),
        cache_write=counts.get("cacheWriteInputTokens"),
    )
