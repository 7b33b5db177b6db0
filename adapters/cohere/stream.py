"""The events of a streamed chat to chunks; knows no transport and no clock.

Source: https://docs.cohere.com/v2/docs/streaming. `message-end` is the last event; a `[DONE]` may follow it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.chunks import ChunkBuilder
from adapters.cohere.citations import to_annotations
from adapters.cohere.errors import to_error_inside
from adapters.cohere.finish import refuse_failures, to_finish_reason
from adapters.cohere.logprobs import to_logprobs
from adapters.cohere.response import Expected
from adapters.cohere.usage import to_usage
from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from adapters.sse import Event
from adapters.stream_state import OwnState
from adapters.tool_ids import UniqueIds
from schemas.chat_response import ChatCompletionChunk
from schemas.cohere import CallDelta, CitationDelta, ContentDelta, EndDelta, ReceivedCall, StreamEvent

_EVENT: Final = msgspec.json.Decoder(StreamEvent)
_CONTENT: Final = msgspec.json.Decoder(ContentDelta)
_CALL: Final = msgspec.json.Decoder(CallDelta)
_CITATION: Final = msgspec.json.Decoder(CitationDelta)
_END: Final = msgspec.json.Decoder(EndDelta)
_TEXT: Final = msgspec.json.Decoder(str)
_EMPTY: Final = Raw(b"{}")


class _Call(Struct):
    """An open call; a free-text one is gathered until it ends.

    `says`: for a call in the answer's place whether its arguments are the content or are left out.
    """

    index: int
    is_custom: bool
    says: bool | None = None
    arguments: str = ""


class ChunkTranslator(OwnState):
    """Translates one stream; see `Translator`."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._builder = ChunkBuilder(chunk_id=expected.answer_id, model=expected.model, created=expected.created)
        self._ids = UniqueIds()
        self._calls: dict[int, _Call] = {}
        self._offsets: dict[int, int] = {}
        self._text_chars = 0
        self._by_tool = AnswerByTool() if expected.names.has_answer_tool else None

    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        if self.finished or event.data.strip() == b"[DONE]":
            return ()
        try:
            return self._translate(_EVENT.decode(event.data))
        except UNREADABLE:
            message = "The provider's event is not what its API promises."
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None

    def finish(self) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        if not self.finished:
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream ended before the answer did.")
        return ()

    def _translate(self, event: StreamEvent) -> list[ChatCompletionChunk]:
        delta = _EMPTY if isinstance(event.delta, UnsetType) else event.delta
        index = event.index or 0
        match event.type:
            case "content-start" | "content-delta" | "tool-plan-delta":
                return self._content(event, index, delta)
            case "tool-call-start":
                return self._open_call(index, delta)
            case "tool-call-delta":
                return self._call_delta(index, delta)
            case "tool-call-end":
                return self._end_call(index)
            case "citation-start":
                return self._citation(delta)
            case "message-start":
                self.upstream_id = event.id
                return []
            case "message-end":
                return self._end(delta)
            case None | "error" if not isinstance(event.message, UnsetType):
                raise to_error_inside(_TEXT.decode(event.message))
            case _:
                return []

    def _content(self, event: StreamEvent, index: int, delta: Raw) -> list[ChatCompletionChunk]:
        message = _CONTENT.decode(delta).message
        content = message.content if message is not None else None
        chunks: list[ChatCompletionChunk] = []
        if message is not None and message.tool_plan:
            chunks += self._builder.reasoning(message.tool_plan)
        if content is not None and content.thinking:
            chunks += self._builder.reasoning(content.thinking)
        if content is not None and content.text is not None:
            self._offsets.setdefault(index, self._text_chars)
            if content.text:
                self._text_chars += len(content.text)
                chunks += self._say(content.text if self._by_tool is None else self._by_tool.text(content.text))
        logprobs = to_logprobs((event.logprobs,)) if event.logprobs is not None else None
        if logprobs is not None:
            chunks = chunks or self._builder.text("")
            chunks[-1].choices[0].logprobs = logprobs
        return chunks

    def _say(self, text: str) -> list[ChatCompletionChunk]:
        return self._builder.text(text) if text else []

    def _open_call(self, index: int, delta: Raw) -> list[ChatCompletionChunk]:
        chunks = self._end_call(index)
        call = _received_call(delta)
        function = call.function
        if function is None or not function.name:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's tool call has no name.")
        if self._by_tool is not None:
            if function.name == JSON_TOOL:
                self._calls[index] = _Call(0, is_custom=False, says=self._by_tool.answer())
                return [*chunks, *self._arguments(index, function.arguments)]
            chunks += self._say(self._by_tool.call())
        name = self._expected.names.original(function.name)
        is_custom = self._expected.names.is_custom(name)
        call_id = self._ids.take(call.id, self._expected.request_id)
        opened = self._builder.open_custom_call if is_custom else self._builder.open_tool_call
        number, more = opened(call_id, name)
        self._calls[index] = _Call(number, is_custom)
        return [*chunks, *more, *self._arguments(index, function.arguments)]

    def _call_delta(self, index: int, delta: Raw) -> list[ChatCompletionChunk]:
        function = _received_call(delta).function
        if index not in self._calls:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider goes on with a tool call that has not begun.")
        return self._arguments(index, function.arguments if function is not None else None)

    def _arguments(self, index: int, text: str | None) -> list[ChatCompletionChunk]:
        call = self._calls[index]
        if not text:
            return []
        if call.is_custom:
            call.arguments += text
            return []
        call.arguments = "..."  # there are some; they are on their way
        if call.says is not None:
            return self._say(text if call.says else "")
        return self._builder.tool_arguments(call.index, text)

    def _end_call(self, index: int) -> list[ChatCompletionChunk]:
        call = self._calls.pop(index, None)
        if call is None:
            return []
        if call.is_custom:
            return self._builder.custom_input(call.index, free_text.text_of(call.arguments))
        if call.says is not None:
            return self._say("{}" if call.says and not call.arguments else "")
        return [] if call.arguments else self._builder.tool_arguments(call.index, "{}")

    def _citation(self, delta: Raw) -> list[ChatCompletionChunk]:
        if self._by_tool is not None and self._by_tool.answered:
            return []
        message = _CITATION.decode(delta).message
        citation = message.citations if message is not None else None
        annotations = to_annotations(citation, self._offsets) if citation is not None else []
        return self._builder.annotations(annotations) if annotations else []

    def _end(self, delta: Raw) -> list[ChatCompletionChunk]:
        end = _END.decode(delta)
        self.usage = to_usage(end.usage, billed=self._expected.billed)
        self.native_finish_reason = end.finish_reason
        refuse_failures("ERROR" if end.error else end.finish_reason, end.error)
        chunks: list[ChatCompletionChunk] = []
        for index in tuple(self._calls):
            chunks += self._end_call(index)
        if self._by_tool is not None:
            chunks += self._say(self._by_tool.end())
        called = self._builder.has_tool_calls()
        chunks += self._builder.finish(to_finish_reason(end.finish_reason, called_tools=called))
        self.finished = True
        return chunks


def _received_call(delta: Raw) -> ReceivedCall:
    message = _CALL.decode(delta).message
    call = message.tool_calls if message is not None else None
    return call if call is not None else ReceivedCall()
