"""Live answers in Anthropic's wire format; it must not know credentials or routing."""

import json
from collections.abc import Iterator

import msgspec

from upstreams import live
from upstreams.dialects.base import Answer, Call
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, words
from upstreams.recordings import JsonObject
from upstreams.wire import data_event, json_reply, sse_reply

SIGNATURE = "bW9jay1zaWduYXR1cmU="
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def text_of(content: object) -> str:
    """All text in a content: a string, or the text of its blocks, tool results and tool inputs included."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(block_text(block) for block in content)


def block_text(block: JsonObject) -> str:
    """The text of one block."""
    match block.get("type"):
        case "text":
            return str(block["text"])
        case "tool_result":
            return text_of(block.get("content"))
        case "tool_use":
            return str(block["name"]) + json.dumps(block["input"])
        case _:
            return ""


def prompt_of(body: JsonObject) -> str:
    """Everything that counts as prompt."""
    return text_of(body.get("system")) + "".join(text_of(message["content"]) for message in body["messages"])


def input_tokens(body: JsonObject) -> int:
    """Prompt tokens of a request."""
    return tokens(prompt_of(body))


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    last = body["messages"][-1]["content"]
    blocks = last if isinstance(last, list) else []
    results = [block for block in blocks if block.get("type") == "tool_result"]
    choice = body.get("tool_choice") or {}
    output_format = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    users = [text for message in body["messages"] if message["role"] == "user" and (text := user_text(message))]
    return Ask(
        text=users[-1] if users else "",
        prompt=prompt_of(body),
        tools=tuple(
            Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or [] if "input_schema" in tool
        ),
        choice=choice_of(choice),
        parallel=choice.get("disable_parallel_tool_use") is not True,
        tool_result="".join(map(block_text, results)) if results else None,
        schema=output_format.get("schema"),
        max_tokens=body["max_tokens"],
        reasoning=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )


def user_text(message: JsonObject) -> str:
    """Text blocks of a user's turn, without tool results."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(str(block["text"]) for block in content if block.get("type") == "text")


def choice_of(choice: JsonObject) -> str:
    """auto, none, required or a tool's name."""
    kind = str(choice.get("type", "auto"))
    return {"any": "required", "tool": str(choice.get("name"))}.get(kind, kind)


def usage_of(turn: Turn, output_tokens: int) -> JsonObject:
    """Anthropic's usage: its input excludes what the cache gave and took."""
    cached, written = turn.usage.cached or 0, turn.usage.cache_write or 0
    lifetimes = {
        "ephemeral_5m_input_tokens": written - turn.written_1h,
        "ephemeral_1h_input_tokens": turn.written_1h,
    }
    return {
        "input_tokens": (turn.usage.prompt or 0) - cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "cache_creation": lifetimes,
        "output_tokens": output_tokens,
        "service_tier": "standard",
        **thinking_details(turn),
    }


def thinking_details(turn: Turn) -> JsonObject:
    """The share of thinking in the output, reported only where there was thinking."""
    return {"output_tokens_details": {"thinking_tokens": turn.usage.reasoning}} if turn.usage.reasoning else {}


def blocks_of(turn: Turn, seed: str) -> list[JsonObject]:
    """Content blocks: thinking first, then text, then calls."""
    blocks: list[JsonObject] = []
    if turn.reasoning:
        blocks.append({"type": "thinking", "thinking": turn.reasoning, "signature": SIGNATURE})
    if turn.text or turn.refusal:
        blocks.append({"type": "text", "text": turn.text or turn.refusal})
    for position, call in enumerate(turn.calls):
        identity = stable_id("toolu_", f"{seed}/{position}")
        blocks.append({"type": "tool_use", "id": identity, "name": call.name, "input": call.arguments})
    return blocks


def messages(call: Call) -> Answer:
    """A message, whole or streamed."""
    ask = ask_of(call.body)
    turn = live.turn(ask)
    written = turn.usage.cache_write or 0
    usage = msgspec.structs.replace(turn.usage, cache_write=written, reasoning=turn.usage.reasoning or None)
    head: JsonObject = {
        "id": stable_id("msg_", ask.prompt),
        "type": "message",
        "role": "assistant",
        "model": call.model,
    }
    if call.streamed:
        return Answer(sse_reply(tuple(events(turn, head, ask.prompt))), usage)
    document = {
        **head,
        "content": blocks_of(turn, ask.prompt),
        "stop_reason": STOP_REASONS[turn.finish],
        "stop_sequence": None,
        "usage": usage_of(turn, turn.usage.completion or 0),
    }
    return Answer(json_reply(document, headers=(("request-id", "req_mock"),)), usage)


def events(turn: Turn, head: JsonObject, seed: str) -> Iterator[bytes]:
    """The event sequence of a streamed message."""
    opening = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage_of(turn, 1)}
    yield data_event({"type": "message_start", "message": opening}, "message_start")
    yield data_event({"type": "ping"}, "ping")
    for index, block in enumerate(blocks_of(turn, seed)):
        start = {"type": "content_block_start", "index": index, "content_block": opened(block)}
        yield data_event(start, "content_block_start")
        for delta in block_deltas(block):
            yield data_event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        yield data_event({"type": "content_block_stop", "index": index}, "content_block_stop")
    final = {"stop_reason": STOP_REASONS[turn.finish], "stop_sequence": None}
    usage = {"output_tokens": turn.usage.completion or 0, **thinking_details(turn)}
    yield data_event({"type": "message_delta", "delta": final, "usage": usage}, "message_delta")
    yield data_event({"type": "message_stop"}, "message_stop")


def opened(block: JsonObject) -> JsonObject:
    """The block as it starts: empty."""
    empty: dict[str, JsonObject] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    return {**block, **empty[block["type"]]}


def block_deltas(block: JsonObject) -> Iterator[JsonObject]:
    """The deltas that fill a block."""
    match block["type"]:
        case "text":
            yield from ({"type": "text_delta", "text": word} for word in words(block["text"]))
        case "thinking":
            yield from ({"type": "thinking_delta", "thinking": word} for word in words(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            yield {"type": "input_json_delta", "partial_json": ""}
            pieces = live.fragments(json.dumps(block["input"], ensure_ascii=False)) if block["input"] else []
            yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
