"""A ConverseStream event stream to chunks; knows no transport, no framing and no clock.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, checked 2026-11-24.
The stream ends with `messageStop` and then `metadata`. Unknown events, blocks and deltas are ignored.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec
from msgspec import UnsetType

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.bedrock.answer import (
    add_end,
    image_url,
    invoked_model,
    is_clients,
    to_annotations,
    to_detail,
    to_encrypted_detail,
    to_finish_reason,
    to_tier,
)
from adapters.bedrock.errors import to_error_inside
from adapters.bedrock.event_stream import EXCEPTION
from adapters.bedrock.request import Translation
from adapters.bedrock.usage import to_usage
from adapters.chunks import ChunkBuilder
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.held import Held
from adapters.sse import Event
from adapters.stream_state import OwnState
from adapters.tool_ids import UniqueIds
from schemas.bedrock.response import AnsweredReasoning, CalledTool, Citation, ModelFields, StreamEvent
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import Annotation, ChatCompletionChunk

Chunks = list[ChatCompletionChunk]
Kind = Literal["plain", "call", "custom", "answer", "image", "ignored"]
_DECODER: Final = msgspec.json.Decoder(StreamEvent)
_TEXT: Final = msgspec.json.Decoder(str)


class _Block:
    """An open block: `call` is the index of its tool call, `detail` of its reasoning, -1 before it has one.

    `parts` are the pieces of input or of an image so far, where the whole is needed in the end; `format` is that of the
    image.
    """

    __slots__ = ("call", "citations", "detail", "format", "has_input", "kind", "parts", "signature", "start")

    def __init__(self, kind: Kind, *, start: int = 0, call: int = 0) -> None:
        self.kind: Kind = kind
        self.start = start
        self.call = call
        self.detail = -1
        self.format: str | None = None
        self.has_input = False
        self.parts: list[str] = []
        self.signature = ""
        self.citations: list[Citation] = []


class ConverseToChunks(OwnState):
    """One stream's translation. See `adapters.exchange.Translator`. `request_id` is the provider's, from its head."""

    def __init__(self, translation: Translation, builder: ChunkBuilder, request_id: str | None = None) -> None:
        self.upstream_id = request_id
        self._names = translation.names  # not the whole: it holds the request
        self._reasoning_format = translation.reasoning_format
        self._builder = builder
        self._blocks: dict[int, _Block] = {}
        self._stopped = False
        self._ended = False
        self._fields: ModelFields | None = None
        self._metadata: StreamEvent | None = None
        self._length = 0
        self._details = 0
        self._ids = UniqueIds()
        self._images = 0
        self._held = Held()
        self._annotations: list[Annotation] = []
        self._by_tool = AnswerByTool() if translation.names.has_answer_tool else None
        self._handlers: dict[bytes, Callable[[StreamEvent], Chunks]] = {
            b"contentBlockDelta": self._on_delta,
            b"contentBlockStart": self._on_block_start,
            b"contentBlockStop": self._on_block_stop,
            b"messageStop": self._on_stop,
            b"metadata": self._on_metadata,
        }

    def feed(self, event: Event) -> Chunks:
        """Return the chunks of one event; raises `ProviderError` for an exception event and for a malformed one."""
        handler = self._handlers.get(event.name)
        if handler is None:
            if event.name.startswith(EXCEPTION):
                name = event.name.removeprefix(EXCEPTION).decode("utf-8", "replace")
                raise to_error_inside(name, event.data, self.upstream_id)
            return []
        try:
            wire = _DECODER.decode(event.data)
        except UNREADABLE:
            raise bad_response() from None
        return handler(wire)

    def finish(self) -> Chunks:
        """Take the end of the stream; missing metadata is forgiven after the stop reason."""
        if not self._stopped:
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream broke off.")
        self.finished = True
        return self._end()

    def _on_block_start(self, event: StreamEvent) -> Chunks:
        start = event.start
        if start is not None and start.image is not None:
            self._blocks[event.content_block_index] = opened = _Block("image")
            opened.format = start.image.format
        call = start.tool_use if start is not None else None
        if call is None:
            return []
        if not is_clients(call):
            self._blocks[event.content_block_index] = _Block("ignored")
            return []
        return self._open_call(event.content_block_index, call)

    def _open_call(self, index: int, call: CalledTool) -> Chunks:
        said: Chunks = []
        if self._by_tool is not None:
            if call.name == JSON_TOOL:
                answers = self._by_tool.answer()
                if answers:
                    self._annotations.clear()
                    self._length = 0
                self._blocks[index] = _Block("answer" if answers else "ignored")
                return []
            said = self._say(self._by_tool.call())
        names = self._names
        name = names.original(call.name or "")
        call_id = self._ids.take(call.tool_use_id, self.upstream_id or "")
        custom = names.is_custom(name)
        number, chunks = (self._builder.open_custom_call if custom else self._builder.open_tool_call)(call_id, name)
        self._blocks[index] = _Block("custom" if custom else "call", call=number)
        return [*said, *chunks]

    def _on_delta(self, event: StreamEvent) -> Chunks:
        delta = event.delta
        if delta is None:
            raise bad_response()
        block = self._blocks.get(event.content_block_index)
        if block is None:  # blocks of text and reasoning begin without an event
            block = self._blocks[event.content_block_index] = _Block("plain", start=self._length)
        if delta.text is not None:
            return self._text(delta.text)
        if delta.reasoning_content is not None:
            return self._reasoning(block, delta.reasoning_content)
        if delta.tool_use is not None:
            return self._arguments(block, _to_text(delta.tool_use))
        if delta.image is not None and delta.image.source is not None and delta.image.source.data:
            block.kind = "image"
            self._held.add(len(delta.image.source.data))
            block.parts.append(delta.image.source.data)
        if delta.citation is not None:
            block.citations.append(delta.citation)
        return []

    def _text(self, text: str) -> Chunks:
        if not text or (self._by_tool is not None and self._by_tool.answered):
            return []
        self._length += len(text)
        return self._builder.text(text) if self._by_tool is None else self._say(self._by_tool.text(text))

    def _say(self, text: str) -> Chunks:
        return self._builder.text(text) if text else []

    def _reasoning(self, block: _Block, content: AnsweredReasoning) -> Chunks:
        if content.redacted_content is not None:
            detail = to_encrypted_detail(content.redacted_content, self._reasoning_format, self._details)
            self._details += 1
            return self._builder.reasoning_detail(detail)
        block.signature += content.signature or ""
        if not content.text:
            return []
        chunks = self._builder.reasoning(content.text)
        chunks[-1].choices[0].delta.reasoning_details = [self._detail(block, text=content.text)]
        return chunks

    def _detail(self, block: _Block, *, text: str | None = None, signature: str | None = None) -> ReasoningDetail:
        """Return a piece of reasoning; the first one of a block takes the next index."""
        first = block.detail < 0
        if first:
            block.detail = self._details
            self._details += 1
        owner = self._reasoning_format
        return to_detail(block.detail, owner, text=text, signature=signature, first=first)

    def _arguments(self, block: _Block, text: str) -> Chunks:
        if not text:
            return []
        block.has_input = True
        match block.kind:
            case "call":
                return self._builder.tool_arguments(block.call, text)
            case "answer":
                return self._say(text)
            case "custom":
                block.parts.append(text)
                return []
            case "plain" | "image" | "ignored":
                return []

    def _on_block_stop(self, event: StreamEvent) -> Chunks:
        block = self._blocks.pop(event.content_block_index, None)
        return self._close(block) if block is not None else []

    def _close(self, block: _Block) -> Chunks:
        if self._by_tool is None or not self._by_tool.answered:
            self._annotations += to_annotations(block.citations, block.start, self._length)
        match block.kind:
            case "plain":
                if not block.signature:
                    return []
                return self._builder.reasoning_detail(self._detail(block, signature=block.signature))
            case "image":
                return self._image(block)
            case "custom":
                return self._builder.custom_input(block.call, free_text.text_of("".join(block.parts) or "{}"))
            case _:
                return [] if block.has_input else self._arguments(block, "{}")

    def _image(self, block: _Block) -> Chunks:
        if not block.parts:
            return []
        number = self._images
        self._images += 1
        return self._builder.image(image_url(block.format, _joined(block.parts)), number)

    def _on_stop(self, event: StreamEvent) -> Chunks:
        if event.stop_reason is None:
            raise bad_response()
        self._stopped = True
        self.native_finish_reason = event.stop_reason
        self._fields = event.additional_model_response_fields
        return self._end() if self._metadata is not None else []

    def _on_metadata(self, event: StreamEvent) -> Chunks:
        self._metadata = event
        if not isinstance(event.usage, UnsetType):
            self.usage = to_usage(event.usage)
        self.upstream_model = invoked_model(event.trace)
        return self._end() if self._stopped else []

    def _end(self) -> Chunks:
        """Close what is open; comes after the metadata, which belong to the last chunk."""
        if self._ended:
            return []
        builder = self._builder
        chunks = [chunk for block in self._blocks.values() for chunk in self._close(block)]
        self._blocks.clear()
        if self._by_tool is not None:
            chunks += self._say(self._by_tool.end())
        if self._annotations:
            chunks += builder.annotations(self._annotations)
        calls = builder.has_tool_calls()
        chunks += builder.finish(to_finish_reason(self.native_finish_reason, calls=calls))
        metadata = self._metadata
        add_end(chunks[-1].choices[0], self._fields, metadata.trace if metadata is not None else None)
        if metadata is not None:
            chunks[-1].service_tier = to_tier(metadata.service_tier)
            self.finished = True
        self._ended = True
        return chunks


def _joined(pieces: Sequence[str]) -> str:
    """Return one base64 text for pieces that have their own."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(map(b64decode, pieces))).decode()
    except ValueError:
        raise bad_response() from None


def _to_text(call: CalledTool) -> str:
    if isinstance(call.input, UnsetType):
        return ""
    try:
        return _TEXT.decode(call.input)
    except UNREADABLE:
        raise bad_response() from None
