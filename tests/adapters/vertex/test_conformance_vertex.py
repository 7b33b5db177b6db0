"""Both publishers' answers keep the contract, whole and streamed (TRAPS 1, 4, 19, 20, 21)."""

import json

import pytest

from adapters.conformance import ConformanceCase, check
from adapters.vertex import VertexAdapter
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI, deployment, encode, request

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
USE = {"type": "tool_use", "id": "toolu_vrtx_01", "name": "f", "input": {"a": 1}}
CALL = {"functionCall": {"id": "vcyiitct", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
GOOGLE_ERROR = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def gemini(*parts: dict) -> dict:
    return {**GEMINI, "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}]}


def claude_events(block: dict, delta: dict, reason: str) -> bytes:
    events = [
        {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b  \n\n" % (one["type"].encode(), encode(one)) for one in events)


CASES = [
    ConformanceCase(
        name=f"gemini: {what}",
        adapter=VertexAdapter,
        deployment=deployment(),
        request=request(**fields),
        whole=encode(gemini(part)),
        stream=b"data: " + encode(gemini(part)) + b"\r\n\r\n",
        error_body=encode(GOOGLE_ERROR),
        error_event=b"data: " + encode(GOOGLE_ERROR) + b"\n\n",
    )
    for what, fields, part in (("text", {}, {"text": "Sunny."}), ("tool", {"tools": [TOOL]}, CALL))
] + [
    ConformanceCase(
        name=f"claude: {what}",
        adapter=VertexAdapter,
        deployment=deployment("claude-sonnet-4-5@20250929"),
        request=request(**fields),
        whole=encode({**CLAUDE, "content": [block], "stop_reason": reason}),
        stream=claude_events(opened, delta, reason),
        error_body=encode(OVERLOADED),
        error_event=b"event: error\ndata: " + encode(OVERLOADED) + b"\n\n",
        unknown_event=b'event: vertex_event\ndata: {"type": "brand_new"}\n\n',
    )
    for what, fields, block, opened, delta, reason in (
        (
            "text",
            {},
            {"type": "text", "text": "Sunny."},
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Sunny."},
            "end_turn",
        ),
        (
            "tool",
            {"tools": [TOOL]},
            USE,
            {**USE, "input": {}},
            {"type": "input_json_delta", "partial_json": json.dumps(USE["input"])},
            "tool_use",
        ),
    )
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_adapter_every_exchange_conforms(case: ConformanceCase) -> None:
    await check(case)
