"""Answers in the provider's own bytes, whole and streamed, written after its documentation; knows no adapter.

Source: platform.claude.com/docs/en/api/messages/create and .../build-with-claude/streaming, checked 2026-11-24.
"""

import json

HEAD = {"id": "msg_01A", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929"}
USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 30},
    "service_tier": "standard",
}
FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: dict) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), encode(value))


def whole(*blocks: dict, stop: str = "end_turn", usage: dict = USAGE, **fields) -> bytes:
    message = {**HEAD, "content": list(blocks), "stop_reason": stop, "stop_sequence": None, "usage": usage, **fields}
    return encode(message)


def deltas_of(block: dict) -> list[dict]:
    match block["type"]:
        case "text":
            text = block["text"]
            found = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", [])]
            found += [{"type": "text_delta", "text": text[start : start + 5]} for start in range(0, len(text), 5)]
        case "thinking":
            found = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
            found.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use" | "server_tool_use":
            text = encode(block["input"]).decode() if block["input"] else ""
            found = [{"type": "input_json_delta", "partial_json": text[i : i + 9]} for i in range(0, len(text), 9)]
            found.insert(0, {"type": "input_json_delta", "partial_json": ""})
        case _:
            found = []
    return found


def stream(*blocks: dict, stop: str = "end_turn", usage: dict = USAGE, **fields) -> bytes:
    begun = {key: value for key, value in usage.items() if key != "output_tokens_details"}
    message = {
        **HEAD,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**begun, "output_tokens": 1},
    }
    data = event({"type": "message_start", "message": message}) + event({"type": "ping"})
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    empty["server_tool_use"] = {"input": {}}
    for index, block in enumerate(blocks):
        start = {key: value for key, value in {**block, **empty.get(block["type"], {})}.items() if key != "citations"}
        data += event({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas_of(block):
            data += event({"type": "content_block_delta", "index": index, "delta": delta})
        data += event({"type": "content_block_stop", "index": index})
    end = {"stop_reason": stop, "stop_sequence": None, **fields}
    counted = {key: value for key, value in usage.items() if key not in {"cache_creation", "service_tier"}}
    data += event({"type": "message_delta", "delta": end, "usage": counted})
    return data + event({"type": "message_stop"})


def text(value: str, *citations: dict) -> dict:
    return {"type": "text", "text": value, **({"citations": list(citations)} if citations else {})}


def thinking(value: str, signature: str = "c2ln") -> dict:
    return {"type": "thinking", "thinking": value, "signature": signature}


def tool_use(name: str, call_id: str, **arguments) -> dict:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def web_citation(url: str, title: str) -> dict:
    return {
        "type": "web_search_result_location",
        "cited_text": "…",
        "url": url,
        "title": title,
        "encrypted_index": "RW5j",
    }


REDACTED = {"type": "redacted_thinking", "data": "RW5jcnlwdGVk"}
SEARCH = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Ulm"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {"type": "web_search_result", "title": "Ulm", "url": "https://ulm.example", "encrypted_content": "RW5j"}
        ],
    },
]
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
