"""A stream that goes on in a new exchange where the provider paused its turn; knows no endpoint."""

from collections.abc import Awaitable, Callable
from typing import Self

from adapters.anthropic.continuation import MAX_ROUNDS, TurnRecorder, continued
from adapters.anthropic.request import Translation
from adapters.anthropic.stream import MessagesToChunks
from adapters.exchange import SseChunkStream
from adapters.transport import UpstreamResponse
from schemas.chat_response import ChatCompletionChunk
from schemas.usage import Usage


class PausedStream:
    """A `ChunkStream` over up to `MAX_ROUNDS` exchanges; the client sees one answer."""

    def __init__(
        self,
        response: UpstreamResponse,
        translator: MessagesToChunks,
        recorder: TurnRecorder,
        translation: Translation,
        go_on: Callable[[Translation], Awaitable[UpstreamResponse]],
    ) -> None:
        self.dropped_params = translation.dropped
        self._translator = translator
        self._recorder = recorder
        self._translation = translation
        self._go_on = go_on
        self._rounds = 1
        self._inner = SseChunkStream(response, translator)

    @property
    def usage(self) -> Usage | None:
        """See `ChunkStream`; of all rounds together."""
        return self._translator.usage

    @property
    def finished(self) -> bool:
        """See `ChunkStream`."""
        return self._translator.finished and not self._translator.paused

    @property
    def upstream_id(self) -> str | None:
        """See `ChunkStream`; of the last round."""
        return self._translator.upstream_id

    @property
    def upstream_model(self) -> str | None:
        """See `ChunkStream`."""
        return self._translator.upstream_model

    @property
    def native_finish_reason(self) -> str | None:
        """See `ChunkStream`."""
        return self._translator.native_finish_reason

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[ChatCompletionChunk, ...]:
        while True:
            try:
                return await anext(self._inner)
            except StopAsyncIteration:
                if not self._translator.paused:
                    raise
            await self._continue()

    async def aclose(self) -> None:
        """See `ChunkStream`."""
        await self._inner.aclose()

    async def _continue(self) -> None:
        await self._inner.aclose()
        self._rounds += 1
        self._translation = continued(self._translation, self._recorder.take())
        response = await self._go_on(self._translation)
        self._translator.may_continue = self._rounds < MAX_ROUNDS
        self._translator.resume()
        self._inner = SseChunkStream(response, self._translator)
