"""Every adapter keeps the contract on exchanges written by hand after the providers' documents (TRAPS 1, 4, 19-21).

Sources, checked 2026-11: platform.openai.com/docs/api-reference/chat, docs.anthropic.com/en/api/messages and
messages-streaming, ai.google.dev/api/generate-content, docs.vllm.ai reasoning outputs.
"""

import json
from collections.abc import Callable

import msgspec
import pytest

from adapters import registry
from adapters.base import Deployment, Secret, SupportsChat
from adapters.conformance import ConformanceCase, check
from adapters.transport import Transport
from schemas.chat_request import ChatRequest

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
MESSAGES = [{"role": "user", "content": "What is the weather in Ulm?"}]


def adapter(name: str) -> Callable[[Transport], SupportsChat]:
    def build(transport: Transport) -> SupportsChat:
        built = registry.build(name, transport)
        assert isinstance(built, SupportsChat)
        return built

    return build


def deployment(name: str, **changes) -> Deployment:
    fields = {
        "id": "d",
        "model": "public",
        "provider": "p",
        "adapter": name,
        "upstream_model": "upstream-1",
        "base_url": "https://upstream.example/v1",
        "credential": Secret("sk-canary-0123456789"),
        "max_output_tokens": 1024,
    }
    return Deployment(**{**fields, **changes})


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": MESSAGES, **fields}), type=ChatRequest)


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data_only(*values: object) -> bytes:
    return b"".join(b"data: " + encode(value) + b"\n\n" for value in values)


def named(*values: dict) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (value["type"].encode(), encode(value)) for value in values)


# --- OpenAI's chat completions, and servers that speak them

DONE = b"data: [DONE]\n\n"
OPENAI_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
}


def openai_whole(*choices: dict) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1760000000, "model": "upstream-1-2026"}
    return encode({**head, "choices": list(choices), "usage": OPENAI_USAGE, "system_fingerprint": "fp_1"})


def openai_choice(message: dict, finish: str = "stop", index: int = 0) -> dict:
    message = {"role": "assistant", "content": None, "refusal": None, **message}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


def openai_stream(*deltas: tuple[int, dict, str | None]) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1760000000, "model": "upstream-1-2026"}
    head["system_fingerprint"] = "fp_1"
    chunks = [
        {
            **head,
            "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}],
            "usage": None,
        }
        for index, delta, finish in deltas
    ]
    return data_only(*chunks, {**head, "choices": [], "usage": OPENAI_USAGE}) + DONE


def call_delta(index: int, arguments: str, call_id: str | None = None) -> dict:
    call = {"index": index, "function": {"arguments": arguments}}
    if call_id:
        call.update(id=call_id, type="function")
        call["function"]["name"] = "get_weather"
    return {"tool_calls": [call]}


def called(call_id: str, arguments: str) -> dict:
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


START = {"role": "assistant", "content": "", "refusal": None}
OPENAI_EXCHANGES = {
    "text": (
        {},
        openai_whole(openai_choice({"content": "Sunny, 21 °C."})),
        openai_stream(
            (0, START, None), (0, {"content": "Sunny, "}, None), (0, {"content": "21 °C."}, None), (0, {}, "stop")
        ),
    ),
    "two choices": (
        {"n": 2},
        openai_whole(openai_choice({"content": "One"}), openai_choice({"content": "Two"}, "length", 1)),
        openai_stream(
            (0, START, None), (1, START, None), (1, {"content": "Tw"}, None), (0, {"content": "One"}, None),
            (1, {"content": "o"}, None), (0, {}, "stop"), (1, {}, "length"),
        ),
    ),
    "parallel tools": (
        {"tools": [WEATHER]},
        openai_whole(
            openai_choice(
                {"content": "Let me see.", "tool_calls": [called("call_a", '{"city":"Ulm"}'), called("call_b", "{}")]},
                "tool_calls",
            )
        ),
        openai_stream(
            (0, START, None), (0, {"content": "Let me see."}, None), (0, call_delta(0, "", "call_a"), None),
            (0, call_delta(0, '{"city":'), None), (0, call_delta(0, '"Ulm"}'), None),
            (0, call_delta(1, "", "call_b"), None), (0, call_delta(1, "{}"), None), (0, {}, "tool_calls"),
        ),
    ),
    "refusal": (
        {},
        openai_whole(openai_choice({"refusal": "I cannot help."})),
        openai_stream(
            (0, START, None), (0, {"refusal": "I cannot "}, None), (0, {"refusal": "help."}, None), (0, {}, "stop")
        ),
    ),
}  # fmt: skip
OPENAI_ERROR = {"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}


def openai_cases(name: str, **changes) -> list[ConformanceCase]:
    return [
        ConformanceCase(
            name=f"{name}: {what}",
            adapter=adapter(name),
            deployment=deployment(name, **changes),
            request=request(**fields),
            whole=whole,
            stream=stream,
            error_body=encode(OPENAI_ERROR),
            error_event=data_only(OPENAI_ERROR),
        )
        for what, (fields, whole, stream) in OPENAI_EXCHANGES.items()
    ]


def reasoning_cases() -> list[ConformanceCase]:
    """A reasoning model behind a compatible server, in both spellings."""
    return [
        ConformanceCase(
            name=f"openai_compatible: {spelling}",
            adapter=adapter("openai_compatible"),
            deployment=deployment("openai_compatible"),
            request=request(),
            whole=openai_whole(openai_choice({spelling: "Hm, Ulm.", "content": "Sunny."})),
            stream=openai_stream(
                (0, START, None), (0, {spelling: "Hm, "}, None), (0, {spelling: "Ulm."}, None),
                (0, {"content": "Sunny."}, None), (0, {}, "stop"),
            ),
            error_event=data_only(OPENAI_ERROR),
        )
        for spelling in ("reasoning_content", "reasoning")
    ]  # fmt: skip


# --- Anthropic's messages

ANTHROPIC_INPUT = {"input_tokens": 10, "cache_creation_input_tokens": 6, "cache_read_input_tokens": 4}
ANTHROPIC_ERROR = {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}
ANTHROPIC_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
TEXT = {"type": "text", "text": "Let me see."}
THINKING = {"type": "thinking", "thinking": "Hm, Ulm.", "signature": "c2lnbmF0dXJl"}
REDACTED = {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}
USE_A = {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {"city": "Ulm"}}
USE_B = {"type": "tool_use", "id": "toolu_01B", "name": "get_weather", "input": {}}
ANTHROPIC_EXCHANGES = {
    "text": ({}, [TEXT], "end_turn"),
    "cut text": ({}, [TEXT], "max_tokens"),
    "stop sequence": ({"stop": ["END"]}, [TEXT], "stop_sequence"),
    "empty": ({}, [], "end_turn"),
    "thinking": ({"reasoning_effort": "low"}, [THINKING, REDACTED, TEXT], "end_turn"),
    "parallel tools": ({"tools": [WEATHER]}, [TEXT, USE_A, USE_B], "tool_use"),
    "thinking and a tool": ({"tools": [WEATHER], "reasoning_effort": "low"}, [THINKING, USE_A], "tool_use"),
}


def anthropic_message(content: list[dict], reason: str | None, usage: dict) -> dict:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "upstream-1-2026"}
    return {**head, "content": content, "stop_reason": reason, "stop_sequence": None, "usage": usage}


def anthropic_block(index: int, block: dict) -> list[dict]:
    """The events of one content block, its text cut in two."""
    deltas: list[dict] = []
    match block["type"]:
        case "text":
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in (block["text"][:4], block["text"][4:])]
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            pieces = (block["thinking"][:3], block["thinking"][3:])
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            empty = {**block, "input": {}}
            text = json.dumps(block["input"])
            pieces = ("", text[:5], text[5:]) if block["input"] else ("",)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case _:
            empty = block
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def anthropic_cases() -> list[ConformanceCase]:
    return [
        ConformanceCase(
            name=f"anthropic: {what}",
            adapter=adapter("anthropic"),
            deployment=deployment("anthropic", base_url="https://upstream.example", max_output_tokens=8192),
            request=request(**fields),
            whole=encode(anthropic_message(content, reason, {**ANTHROPIC_INPUT, "output_tokens": 25})),
            stream=named(
                {
                    "type": "message_start",
                    "message": anthropic_message([], None, {**ANTHROPIC_INPUT, "output_tokens": 1}),
                },
                {"type": "ping"},
                *(event for index, block in enumerate(content) for event in anthropic_block(index, block)),
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": reason, "stop_sequence": None},
                    "usage": {"output_tokens": 25},
                },
                {"type": "message_stop"},
            ),
            error_body=encode(ANTHROPIC_ERROR),
            error_event=named(ANTHROPIC_OVERLOADED),
            unknown_event=named({"type": "brand_new_event", "index": 0, "data": {}}),
        )
        for what, (fields, content, reason) in ANTHROPIC_EXCHANGES.items()
    ]


# --- Google's generateContent

GOOGLE_USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 29,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
}
GOOGLE_ERROR = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}
CALL_A = {"functionCall": {"id": "fc_1", "name": "get_weather", "args": {"city": "Ulm"}}, "thoughtSignature": "c2ln"}
CALL_B = {"functionCall": {"id": "fc_2", "name": "get_weather", "args": {}}}
GOOGLE_EXCHANGES = {
    "text": ({}, [[{"text": "Sunny, "}], [{"text": "21 °C."}]], "STOP"),
    "cut text": ({}, [[{"text": "Sun"}]], "MAX_TOKENS"),
    "thoughts": (
        {"reasoning_effort": "low"},
        [[{"text": "Hm, Ulm.", "thought": True}], [{"text": "Sunny."}]],
        "STOP",
    ),
    "parallel tools": ({"tools": [WEATHER]}, [[{"text": "Let me see."}], [CALL_A, CALL_B]], "STOP"),
    "all thoughts, then cut": ({"reasoning_effort": "low"}, [[{"text": "Hm", "thought": True}]], "MAX_TOKENS"),
    "blocked midway": ({}, [[{"text": "Sun"}]], "SAFETY"),
}


def google_answer(parts: list[dict], reason: str | None) -> dict:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    head = {"modelVersion": "upstream-1-2026", "responseId": "resp-1", "createTime": "2026-01-01T00:00:00.000000Z"}
    return {"candidates": [candidate], "usageMetadata": GOOGLE_USAGE, **head}


def google_merged(reads: list[list[dict]]) -> list[dict]:
    """The parts of a whole answer: neighbouring texts of the same kind are one part there."""
    merged: list[dict] = []
    for part in (part for parts in reads for part in parts):
        last = merged[-1] if merged else {}
        if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
            merged[-1] = {**last, **part, "text": last["text"] + part["text"]}
        else:
            merged.append(part)
    return merged


def google_cases() -> list[ConformanceCase]:
    return [
        ConformanceCase(
            name=f"google: {what}",
            adapter=adapter("google"),
            deployment=deployment("google", base_url="https://upstream.example", upstream_model="gemini-3-pro"),
            request=request(**fields),
            whole=encode(google_answer(google_merged(reads), reason)),
            stream=data_only(
                *(google_answer(parts, reason if parts is reads[-1] else None) for parts in reads),
            ).replace(b"\n", b"\r\n"),
            error_body=encode(GOOGLE_ERROR),
            error_event=data_only(GOOGLE_ERROR),
            unknown_event=data_only({"brandNew": {"a": 1}, "responseId": "resp-1"}),
        )
        for what, (fields, reads, reason) in GOOGLE_EXCHANGES.items()
    ]


CASES = [
    *openai_cases("openai"),
    *openai_cases("openai_compatible"),
    *openai_cases("azure_openai", options={"api_version": "2026-01-01"}),
    *reasoning_cases(),
    *anthropic_cases(),
    *google_cases(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_adapter_every_exchange_conforms(case: ConformanceCase) -> None:
    await check(case)
