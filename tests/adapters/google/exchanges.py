"""Answers in Gemini's own bytes, whole and streamed, written after its documentation; knows no adapter.

Source: ai.google.dev/api/generate-content and .../gemini-api/docs/thought-signatures, checked 2026-11-24.
"""

import json

SIGNATURE = "c2lnbmF0dXJlLW9mLWEtdGhvdWdodA=="
HEAD = {"modelVersion": "gemini-3.5-flash", "responseId": "resp_1"}
USAGE = {
    "promptTokenCount": 20,
    "toolUsePromptTokenCount": 5,
    "cachedContentTokenCount": 8,
    "candidatesTokenCount": 9,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 64,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 16}, {"modality": "AUDIO", "tokenCount": 4}],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
}
ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def event(value: object) -> bytes:
    """CRLF, as Google sends it."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


def text(value: str, **beside) -> dict:
    return {"text": value, **beside}


def call(name: str, call_id: str | None = None, signature: str | None = None, **args) -> dict:
    function = {"name": name, "args": args} | ({"id": call_id} if call_id is not None else {})
    return {"functionCall": function} | ({"thoughtSignature": signature} if signature else {})


def whole(*parts: dict, finish: str | int = "STOP", **fields) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **fields}
    return encode({"candidates": [candidate], "usageMetadata": USAGE, **HEAD})


def stream(*parts: dict, finish: str | int = "STOP", **fields) -> bytes:
    """One event per part, texts cut in two; usage grows, the last event has the finish reason."""
    events = []
    for part in parts:
        pieces = [part]
        if len(part.get("text", "")) > 1:
            head, tail = part["text"][:4], part["text"][4:]
            first = {"text": head} | ({"thought": True} if part.get("thought") else {})
            pieces = [first, {**part, "text": tail}]
        events += [{"candidates": [{"content": {"role": "model", "parts": [piece]}}]} for piece in pieces]
    partial = {"promptTokenCount": 20, "candidatesTokenCount": 1, "totalTokenCount": 21}
    events = [{**one, "usageMetadata": partial, **HEAD} for one in events]
    end = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": finish, **fields}
    return b"".join(map(event, [*events, {"candidates": [end], "usageMetadata": USAGE, **HEAD}]))
