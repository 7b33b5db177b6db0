"""A Messages event stream to chunks; knows no transport and no clock.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming, checked 2026-11-24. Unknown events, blocks
and deltas are ignored, as that page asks.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Raw, UnsetType
from msgspec.structs import replace

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.anthropic.blocks import (
    decode_block,
    decode_known,
    searches_in,
    to_annotations,
    to_arguments,
    to_detail,
    to_encrypted_detail,
    to_filter_results,
    to_finish_reason,
    to_refusal,
)
from adapters.anthropic.continuation import TurnRecorder, size_of
from adapters.anthropic.errors import to_error_inside
from adapters.anthropic.request import Translation
from adapters.anthropic.usage import Reported, add
from adapters.chunks import ChunkBuilder
from adapters.errors import ErrorKind, ProviderError, bad_response
from adapters.held import Held
from adapters.sse import Event
from adapters.stream_state import OwnState
from adapters.tool_ids import UniqueIds
from schemas.anthropic.response import ContentBlock, Delta, StreamEvent
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import Annotation, ChatCompletionChunk
from schemas.usage import Usage

Chunks = list[ChatCompletionChunk]
Kind = Literal["text", "thinking", "call", "custom", "answer"]
_DECODER: Final = msgspec.json.Decoder(StreamEvent)
_ENCODER: Final = msgspec.json.Encoder()
_EVENTS: Final = frozenset(
    {
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "error",
    }
)


class _Block:
    """An open block: `call` is the index of its tool call or reasoning detail, -1 before that has one.

    `given` is a tool's input where the block began with it, `parts` are a free-text tool's pieces so far.
    """

    __slots__ = ("call", "citations", "given", "kind", "parts", "signature", "start")

    def __init__(self, kind: Kind, *, start: int = 0, call: int = 0, given: str = "") -> None:
        self.kind: Kind = kind
        self.start = start
        self.call = call
        self.given = given
        self.parts: list[str] = []
        self.signature = ""
        self.citations: list[Raw] = []


class MessagesToChunks(OwnState):
    """One stream's translation. See `adapters.exchange.Translator`.

    `paused` says that the provider handed the turn back half done; `resume` then goes on with the next round's events.
    It happens only while `may_continue` is set, else the pause is the end.
    """

    def __init__(self, translation: Translation, builder: ChunkBuilder, recorder: TurnRecorder | None = None) -> None:
        self.paused = False
        self.may_continue = recorder is not None
        self._names = translation.names  # not the whole: it holds the request
        self._builder = builder
        self._recorder = recorder
        self._earlier: Usage | None = None
        self._reported = Reported()
        self._searches: int | None = None
        self._blocks: dict[int, _Block] = {}
        self._ended = False
        self._held = Held()
        self._texts: list[str] = []
        self._length = 0
        self._details = 0
        self._ids = UniqueIds()
        self._annotations: list[Annotation] = []
        self._by_tool = AnswerByTool() if translation.names.has_answer_tool else None
        self._handlers: dict[str, Callable[[StreamEvent], Chunks]] = {
            "content_block_delta": self._on_delta,
            "content_block_start": self._on_block_start,
            "content_block_stop": self._on_block_stop,
            "message_start": self._on_start,
            "message_delta": self._on_message_delta,
            "message_stop": self._on_stop,
            "error": self._on_error,
        }

    def feed(self, event: Event) -> Chunks:
        """Return the chunks of one event; raises `ProviderError` for an error event and for a malformed one."""
        wire = decode_known(event.data, _DECODER, _EVENTS)
        if wire is None:
            return []
        if self._recorder is not None:
            self._recorder.feed(wire)
        handler = self._handlers.get(wire.type)
        return handler(wire) if handler is not None else []

    def finish(self) -> Chunks:
        """Take the end of the stream; a missing `message_stop` is forgiven after the stop reason."""
        if not self.finished and not self._ended:
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream broke off.")
        self.finished = True
        return []

    def resume(self) -> None:
        """Go on after a pause with the events of a new stream."""
        self._earlier = self.usage
        self._reported = Reported()
        self._searches = None
        self._blocks.clear()
        self.paused = self.finished = self._ended = False

    def _on_start(self, event: StreamEvent) -> Chunks:
        message = event.message
        if message is None:
            raise bad_response()
        self.upstream_id, self.upstream_model = message.id, message.model
        self._report(message.usage, final=False)
        return []

    def _on_block_start(self, event: StreamEvent) -> Chunks:
        block = decode_block(event.content_block)
        if block is None:
            if found := searches_in(event.content_block):
                self._searches = (self._searches or 0) + found
                self._show_usage(final=False)
            return []
        self._held.add(len(event.content_block or b""))
        match block.type:
            case "text":
                opened = self._blocks[event.index] = _Block("text", start=self._length)
                opened.citations += block.citations or []
                return self._text(block.text)
            case "thinking":
                opened = self._blocks[event.index] = _Block("thinking", call=-1)
                opened.signature = block.signature or ""
                return self._thought(opened, block.thinking)
            case "redacted_thinking":
                detail = to_encrypted_detail(block.data or "", self._details)
                self._details += 1
                return self._builder.reasoning_detail(detail)
            case _:
                return self._open_call(event.index, block)

    def _open_call(self, index: int, block: ContentBlock) -> Chunks:
        given = to_arguments(block.input)
        said: Chunks = []
        if self._by_tool is not None:
            if block.name == JSON_TOOL:
                if self._by_tool.answer():
                    self._forget_text()
                    self._blocks[index] = _Block("answer", given=given)
                return []
            said = self._say(self._by_tool.call())
        names = self._names
        name = names.original(block.name or "")
        call_id = self._ids.take(block.id, self.upstream_id or "")
        custom = names.is_custom(name)
        call, chunks = (self._builder.open_custom_call if custom else self._builder.open_tool_call)(call_id, name)
        self._blocks[index] = _Block("custom" if custom else "call", call=call, given=given)
        return [*said, *chunks]

    def _on_delta(self, event: StreamEvent) -> Chunks:
        block, delta = self._blocks.get(event.index), event.delta
        if block is None or delta is None:
            return []
        self._held.add(size_of(delta))
        match delta.type:
            case "text_delta":
                return self._text(delta.text) if block.kind == "text" else []
            case "input_json_delta":
                return self._arguments(block, delta.partial_json or "")
            case "thinking_delta":
                return self._thought(block, delta.thinking) if block.kind == "thinking" else []
            case "signature_delta":
                block.signature += delta.signature or ""
            case "citations_delta":
                if not isinstance(delta.citation, UnsetType):
                    block.citations.append(delta.citation.copy())
            case _:
                pass
        return []

    def _text(self, text: str | None) -> Chunks:
        if not text or (self._by_tool is not None and self._by_tool.answered):
            return []
        self._texts.append(text)
        self._length += len(text)
        return self._builder.text(text) if self._by_tool is None else self._say(self._by_tool.text(text))

    def _say(self, text: str) -> Chunks:
        return self._builder.text(text) if text else []

    def _forget_text(self) -> None:
        """Leave out what stands before the answer."""
        self._texts.clear()
        self._annotations.clear()
        self._length = 0

    def _thought(self, block: _Block, text: str | None) -> Chunks:
        if not text:
            return []
        chunks = self._builder.reasoning(text)
        chunks[-1].choices[0].delta.reasoning_details = [self._detail(block, text=text)]
        return chunks

    def _detail(self, block: _Block, *, text: str | None = None, signature: str | None = None) -> ReasoningDetail:
        """Return a piece of thinking; the first one of a block takes the next index."""
        first = block.call < 0
        if first:
            block.call = self._details
            self._details += 1
        return to_detail(block.call, text=text, signature=signature, first=first)

    def _arguments(self, block: _Block, text: str) -> Chunks:
        if not text:
            return []
        block.given = ""
        match block.kind:
            case "call":
                return self._builder.tool_arguments(block.call, text)
            case "answer":
                return self._say(text)
            case "custom":
                block.parts.append(text)
            case _:
                pass
        return []

    def _on_block_stop(self, event: StreamEvent) -> Chunks:
        block = self._blocks.pop(event.index, None)
        return self._close(block) if block is not None else []

    def _close(self, block: _Block) -> Chunks:
        match block.kind:
            case "text":
                if self._by_tool is None or not self._by_tool.answered:
                    self._annotations += to_annotations(block.citations, block.start, self._length)
                return []
            case "thinking":
                if not block.signature:
                    return []
                return self._builder.reasoning_detail(self._detail(block, signature=block.signature))
            case "custom":
                return self._builder.custom_input(block.call, free_text.text_of("".join(block.parts) or block.given))
            case _:
                return self._arguments(block, block.given)

    def _on_message_delta(self, event: StreamEvent) -> Chunks:
        delta = event.delta
        reason = delta.stop_reason if delta is not None else None
        self._report(event.usage, final=reason is not None)
        if delta is None or reason is None:
            return []
        self.native_finish_reason = reason
        if reason == "pause_turn" and self.may_continue:
            self.paused = self._ended = True
            return []
        return self._end(delta)

    def _on_stop(self, event: StreamEvent) -> Chunks:
        del event
        chunks = [] if self._ended else self._end(Delta())
        self.finished = True
        return chunks

    def _on_error(self, event: StreamEvent) -> Chunks:
        raise to_error_inside(event.error, event.request_id)

    def _end(self, delta: Delta) -> Chunks:
        if self._ended:
            return []
        self._ended = True
        builder = self._builder
        chunks = [chunk for block in self._blocks.values() for chunk in self._close(block)]
        self._blocks.clear()
        if self._by_tool is not None:
            chunks += self._say(self._by_tool.end())
        if self._annotations:
            chunks += builder.annotations(self._annotations)
        refusal = to_refusal(delta.stop_reason, delta.stop_details, "".join(self._texts))
        if refusal is not None:
            chunks += builder.refusal(refusal)
        reason = to_finish_reason(delta.stop_reason, calls=builder.has_tool_calls())
        chunks += builder.finish(reason)
        if refusal is not None:
            chunks[-1].choices[0].content_filter_results = to_filter_results(delta.stop_details)
        if delta.stop_sequence is not None:
            chunks[-1].choices[0].stop_reason = Raw(_ENCODER.encode(delta.stop_sequence))
        return chunks

    def _report(self, raw: Raw | UnsetType, *, final: bool) -> None:
        self._reported.add(raw)
        self._show_usage(final=final)

    def _show_usage(self, *, final: bool) -> None:
        """Tell what is known: the searches that were seen until the provider says how many it charges."""
        usage = self._reported.usage(final=final)
        if self._searches is not None and not final:
            usage = replace(usage, queries=max(0, self._searches, usage.queries or 0))
        self.usage = add(self._earlier, usage)
        self._builder.service_tier = self._reported.service_tier
