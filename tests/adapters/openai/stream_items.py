"""Items of an OpenAI-format stream as tests write them, and what the translator makes of them."""

from collections.abc import Sequence

import msgspec

from adapters.openai.stream import ChunkTranslator
from adapters.sse import Event
from schemas.chat_response import ChatCompletionChunk

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def item(**fields: object) -> bytes:
    return msgspec.json.encode({"id": "chatcmpl-1", "created": 1_700_000_000, "model": "up", **fields})


def piece(delta: object, finish: str | None = None, *, index: int = 0, **fields: object) -> bytes:
    return item(choices=[{"index": index, "delta": delta, "finish_reason": finish}], **fields)


def new_translator(*, keep_stop: bool = False) -> ChunkTranslator:
    return ChunkTranslator(model="public", chunk_id="chatcmpl-mint", created=7, keep_stop=keep_stop)


def run(*data: bytes, translator: ChunkTranslator | None = None, done: bool = True) -> list[ChatCompletionChunk]:
    translator = translator or new_translator()
    chunks: list[ChatCompletionChunk] = []
    for one in data:
        chunks += translator.feed(Event(b"", one))
    if done:
        chunks += translator.feed(Event(b"", b"[DONE]"))
    chunks += translator.finish()
    return chunks


def deltas(chunks: Sequence[ChatCompletionChunk]) -> list[object]:
    """Delta and finish reason of every chunk, as JSON."""
    found: list[object] = []
    for chunk in chunks:
        for choice in chunk.choices:
            delta = msgspec.to_builtins(choice.delta)
            found.append(delta if choice.finish_reason is None else (delta, choice.finish_reason))
    return found


ROLE = {"role": "assistant", "content": ""}


def call(arguments: str, **fields: object) -> dict[str, object]:
    name = fields.pop("name", None)
    return {**fields, "function": {"arguments": arguments} | ({"name": name} if name else {})}


KIND = {"object": "chat.completion.chunk"}
