"""Paces the steps of an answer and fails where it was told to; the only part of the echo model that knows time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Self, TypeVar

from msgspec import Struct

from adapters.base import Call, push_each
from adapters.echo.directives import Directives
from adapters.errors import ErrorKind, ProviderError
from schemas.usage import Usage

ChunkT = TypeVar("ChunkT")


async def pause(milliseconds: float, call: Call) -> None:
    """Sleep, at most to the call's deadline; raises `TIMEOUT` there."""
    if milliseconds <= 0:
        return
    left_s = call.deadline - asyncio.get_running_loop().time()
    await asyncio.sleep(max(0.0, min(milliseconds / 1000, left_s)))
    if milliseconds / 1000 >= left_s:
        raise ProviderError(ErrorKind.TIMEOUT, "The provider did not answer in time.")


class Facts(Struct, frozen=True, kw_only=True):
    """What a stream reports beside its chunks; `usage` only once it has finished."""

    upstream_id: str
    upstream_model: str
    native_finish_reason: str
    usage: Usage | None
    dropped_params: tuple[str, ...]


class EchoStream(Generic[ChunkT]):
    """A `ChunkStream` over prepared steps, of which `burst` leave together."""

    def __init__(
        self,
        steps: Iterator[list[ChunkT]],
        facts: Facts,
        directives: Directives,
        call: Call,
        is_content: Callable[[ChunkT], bool],
    ) -> None:
        self.upstream_id: str | None = facts.upstream_id
        self.upstream_model: str | None = facts.upstream_model
        self.native_finish_reason: str | None = None
        self.dropped_params = facts.dropped_params
        self.usage: Usage | None = None
        self.finished = False
        self._facts = facts
        self._steps = steps
        self._step = next(steps)  # one ahead, to know the last one
        self._directives = directives
        self._call = call
        self._is_content = is_content
        self._next_pause_ms = directives.first_ms
        self._sent = 0
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[ChunkT, ...]:
        if self.finished or self._closed:
            raise StopAsyncIteration
        self._fail_if_due()
        await pause(self._next_pause_ms, self._call)
        self._next_pause_ms = self._directives.delay_ms
        chunks: list[ChunkT] = []
        for _ in range(self._steps_now()):
            chunks += self._step
            self._sent += any(map(self._is_content, self._step))
            following = next(self._steps, None)
            if following is None:
                self._finish()
                break
            self._step = following
        return tuple(chunks)

    async def push(self, take: Callable[[Sequence[ChunkT]], bool]) -> bool:
        """See `ChunkStream`."""
        return await push_each(self, take)

    async def aclose(self) -> None:
        """Forget the rest. Idempotent."""
        self._closed = True

    def _steps_now(self) -> int:
        after = self._directives.after
        if after is None or self._directives.failure() is None:
            return self._directives.burst
        return max(1, min(self._directives.burst, after - self._sent))

    def _fail_if_due(self) -> None:
        after = self._directives.after
        failure = self._directives.failure()
        if failure is not None and after is not None and self._sent >= after:
            self._closed = True
            raise failure

    def _finish(self) -> None:
        self.finished = True
        self.usage = self._facts.usage
        self.native_finish_reason = self._facts.native_finish_reason
