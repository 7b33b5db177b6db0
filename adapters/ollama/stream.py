"""One stream of `/api/chat` to the hub's chunks: pure, fed with lines in order; knows no transport."""

from collections.abc import Sequence

from adapters import free_text
from adapters.chunks import ChunkBuilder
from adapters.errors import ErrorKind, ProviderError
from adapters.ollama.response import (
    Expected,
    called,
    decode,
    to_finish_reason,
    to_logprobs,
    to_usage_or_fail,
)
from adapters.sse import Event
from adapters.stream_state import OwnState
from adapters.tool_ids import UniqueIds
from schemas.chat_response import ChatCompletionChunk
from schemas.ollama import ChatResponse, ReceivedMessage


class ChunkTranslator(OwnState):
    """See `adapters.exchange.Translator`."""

    def __init__(self, expected: Expected) -> None:
        self._builder = ChunkBuilder(chunk_id=expected.answer_id, model=expected.model, created=expected.created)
        self._ids = UniqueIds()
        self._seed = expected.request_id
        self._free_text_tools = expected.free_text_tools

    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """Return the chunks of one line; raises `ProviderError` for an error or for what is no line of an answer."""
        response = decode(event.data)
        if self.finished:
            return ()  # nothing may follow the end
        self.upstream_model = response.model or self.upstream_model
        chunks = self._say(response.message, response) if response.message is not None else []
        if response.done:
            chunks += self._end(response)
        return chunks

    def finish(self) -> Sequence[ChatCompletionChunk]:
        """Take the end of the stream; raises `ProviderError` where the last line is missing."""
        if not self.finished:
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream ended too early.")
        return ()

    def _say(self, message: ReceivedMessage, response: ChatResponse) -> list[ChatCompletionChunk]:
        builder = self._builder
        chunks: list[ChatCompletionChunk] = []
        if message.thinking:
            chunks += builder.reasoning(message.thinking)
        logprobs = to_logprobs(response.logprobs or ())
        if message.content or logprobs is not None:
            chunks += builder.text(message.content or "")
            if logprobs is not None:
                chunks[-1].choices[0].logprobs = logprobs
        for call in message.tool_calls or ():
            function, call_id = called(call), self._ids.take(call.id, self._seed)
            if function.name in self._free_text_tools:
                index, opened = builder.open_custom_call(call_id, function.name)
                chunks += [*opened, *builder.custom_input(index, free_text.text_of(function.arguments))]
                continue
            _, opened = builder.open_tool_call(call_id, function.name, arguments=function.arguments)
            chunks += opened
        return chunks

    def _end(self, response: ChatResponse) -> list[ChatCompletionChunk]:
        self.usage = to_usage_or_fail(response)
        self.native_finish_reason = response.done_reason or None
        self.finished = True
        reason = to_finish_reason(response.done_reason, called_tools=self._builder.has_tool_calls())
        return self._builder.finish(reason)
