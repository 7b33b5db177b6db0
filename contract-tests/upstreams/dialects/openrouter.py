"""OpenRouter's reasoning: what differs from OpenAI's format in the answers; it must not know the product."""

import json

import msgspec

from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call
from upstreams.dialects.openai import OpenAI
from upstreams.recordings import JsonObject

SIGNATURE = "bW9jay1zaWduYXR1cmU="
FORMAT = "anthropic-claude-v1"
MARK = b'"reasoning_content"'


class OpenRouter(OpenAI):
    """OpenAI's paths. Reasoning stands in `reasoning` and, signed at its end, in `reasoning_details`."""

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key, extra_fields=None, reasons=True)

    def answer(self, call: Call) -> Answer:
        made = super().answer(call)
        places = [index for index, part in enumerate(made.reply.parts) if MARK in part]
        parts = list(made.reply.parts)
        for index in places:
            parts[index] = detailed(parts[index], signed=index == places[-1])
        return msgspec.structs.replace(made, reply=msgspec.structs.replace(made.reply, parts=tuple(parts)))


def detailed(part: bytes, *, signed: bool) -> bytes:
    """An answer or a chunk whose reasoning stands in OpenRouter's places."""
    head = b"data: " if part.startswith(b"data: ") else b""
    document = json.loads(part[len(head) :])
    for choice in document["choices"]:
        said: JsonObject = choice.get("delta") or choice.get("message")
        text = said.pop("reasoning_content", None)
        if text is not None:
            detail: JsonObject = {"type": "reasoning.text", "text": text, "format": FORMAT, "index": 0}
            said["reasoning"] = text
            said["reasoning_details"] = [{**detail, "signature": SIGNATURE} if signed else detail]
    tail = b"\n\n" if head else b""
    return head + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + tail
