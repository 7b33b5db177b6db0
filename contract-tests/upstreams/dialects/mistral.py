"""Mistral's chat, embeddings and model list: what differs from OpenAI's; it must not know the product."""

import json

import msgspec

from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call
from upstreams.dialects.openai import OpenAI
from upstreams.recordings import JsonObject

RENAMED = {"random_seed": "seed", "output_dimension": "dimensions"}
"""Mistral's names, and OpenAI's for the same."""


class Mistral(OpenAI):
    """`/v1/chat/completions`, `/v1/embeddings`, `/v1/models`. Streams always report usage; `stream_options` is unknown.

    Thinking is a chunk of the content, as the recordings have it: whole before the text's chunk, or in deltas of its
    own before deltas that are strings. It is not counted apart, and no cache writes are.
    """

    name = "openai"

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key, extra_fields=None, reasons=True)

    def check(self, call: Call) -> None:
        unknown = call.body.keys() & {*RENAMED.values(), "stream_options", "max_completion_tokens"}
        if unknown:
            raise self.refuse(422, f"Extra inputs are not permitted: {min(unknown)}")
        for message in call.body.get("messages") or []:
            for called in message.get("tool_calls") or []:
                if len(called["id"]) != 9 or not called["id"].isalnum():
                    raise self.refuse(400, f"Tool call id was {called['id']} but must be a-z, A-Z, 0-9, of length 9.")
        super().check(as_openai(call))

    def answer(self, call: Call) -> Answer:
        made = super().answer(as_openai(call))
        if call.operation != "chat.completions":
            return made
        reply = msgspec.structs.replace(made.reply, parts=tuple(map(as_mistral, made.reply.parts)))
        return Answer(reply, msgspec.structs.replace(made.usage, cache_write=None, reasoning=None))


def as_mistral(part: bytes) -> bytes:
    """An answer or an event as Mistral writes it."""
    head = b"data: " if part.startswith(b"data: ") else b""
    if part == b"data: [DONE]\n\n":
        return part
    document = json.loads(part[len(head) :])
    if usage := document.get("usage"):
        usage.pop("completion_tokens_details")
        usage["prompt_tokens_details"].pop("cache_write_tokens", None)
    for choice in document["choices"]:
        said: JsonObject = choice.get("message") or choice["delta"]
        thought = said.pop("reasoning_content", None)
        if thought is None:
            continue
        chunk: JsonObject = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
        if head:
            said["content"] = [chunk]
        else:
            text = said["content"]
            said["content"] = [{**chunk, "closed": True}, *([{"type": "text", "text": text}] if text else [])]
    tail = b"\n\n" if head else b""
    return head + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + tail


def as_openai(call: Call) -> Call:
    """The same request as OpenAI would have got it."""
    body = {RENAMED.get(name, name): value for name, value in call.body.items()}
    if call.streamed:
        body["stream_options"] = {"include_usage": True}
    if "messages" in body:
        body["messages"] = [plain(message) for message in body["messages"]]
    return msgspec.structs.replace(call, body=body)


def plain(message: JsonObject) -> JsonObject:
    """A message without the chunks that only Mistral has."""
    content = message.get("content")
    kept = {name: value for name, value in message.items() if name != "prefix"}
    if not isinstance(content, list):
        return kept
    known = [part for part in content if part.get("type") in {"text", "image_url"}]
    return {**kept, "content": known or [{"type": "text", "text": ""}]}
