"""A stream that goes on in a new exchange where the provider paused its turn; knows no endpoint."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from typing_extensions import override

from adapters.anthropic.continuation import MAX_ROUNDS, TurnRecorder, continued
from adapters.anthropic.request import Translation
from adapters.anthropic.stream import MessagesToChunks
from adapters.exchange import SseChunkStream
from adapters.stream_state import SharedState
from adapters.transport import UpstreamResponse
from schemas.chat_response import ChatCompletionChunk


class PausedStream(SharedState):
    """A `ChunkStream` over up to `MAX_ROUNDS` exchanges; the client sees one answer, with the usage of all rounds."""

    def __init__(
        self,
        response: UpstreamResponse,
        translator: MessagesToChunks,
        recorder: TurnRecorder,
        translation: Translation,
        go_on: Callable[[Translation], Awaitable[UpstreamResponse]],
    ) -> None:
        super().__init__(translator)
        self.dropped_params = translation.dropped
        self._translator = translator
        self._recorder = recorder
        self._translation = translation
        self._go_on = go_on
        self._rounds = 1
        self._inner = SseChunkStream(response, translator)

    @property
    @override
    def finished(self) -> bool:
        return self._translator.finished and not self._translator.paused

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

    async def push(self, take: Callable[[Sequence[ChatCompletionChunk]], bool]) -> bool:
        """See `ChunkStream`."""
        while await self._inner.push(take):
            if not self._translator.paused:
                return True
            await self._continue()
        return False

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
