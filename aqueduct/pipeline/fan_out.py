"""Several answers (`n`) from a provider that gives one at a time: as many calls at once, merged into one answer.

An adapter has no `n` where it refuses the parameter, a provider where it answers 400 and names it. Knows no provider.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Final, Self, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from adapters.base import Call, ChunkStream, Result, SupportsChat, push_each
from adapters.errors import ErrorKind, ProviderError
from aqueduct.pipeline.meter import settled_usage
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.usage import Usage, summed

MAX_ANSWERS: Final = 8
DoneT = TypeVar("DoneT")


class Characters(Struct, frozen=True, kw_only=True):
    """Characters of a request, an answer and a chunk, for estimates."""

    prompt: Callable[[ChatRequest], int]
    answer: Callable[[ChatCompletion], int]
    chunk: Callable[[ChatCompletionChunk], int]


class FanOut(Struct, frozen=True):
    """Answers requests for more than one answer. What a failed one of them consumed is in the error's `usage`.

    What a cancelled one consumed is told to the call's `on_abandoned`.
    """

    characters: Characters

    async def chat(self, adapter: SupportsChat, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """As `SupportsChat.chat`."""
        if call.deployment.multiple_answers != "fan_out":
            try:
                return await adapter.chat(request, call)
            except ProviderError as error:
                if not _may_fan_out(error, call):
                    raise
        requests = _one_by_one(request)
        results = await _all([adapter.chat(one, call) for one in requests], partial(self._settled, request), call)
        usage = summed([self._settled(request, result) for result in results])
        return _merged(results, usage)

    async def chat_stream(
        self, adapter: SupportsChat, request: ChatRequest, call: Call
    ) -> ChunkStream[ChatCompletionChunk]:
        """As `SupportsChat.chat_stream`."""
        if call.deployment.multiple_answers != "fan_out":
            try:
                return await adapter.chat_stream(request, call)
            except ProviderError as error:
                if not _may_fan_out(error, call):
                    raise
        requests = _one_by_one(request)
        opened: list[ChunkStream[ChatCompletionChunk]] = []

        async def opening(one: ChatRequest) -> ChunkStream[ChatCompletionChunk]:
            stream = await adapter.chat_stream(one, call)
            opened.append(stream)
            return stream

        complete = False
        try:
            streams = await _all([opening(one) for one in requests], lambda _: self._settled(request, None), call)
            complete = True
        finally:
            if not complete:
                for stream in opened:
                    await stream.aclose()
        return MergedStream(streams, self.characters.prompt(request), self.characters.chunk)

    def _settled(self, request: ChatRequest, result: Result[ChatCompletion] | None) -> Usage:
        """Return what an answer consumed; None is one that was begun, and not waited for."""
        return settled_usage(
            None if result is None else result.usage,
            finished=result is not None,
            prompt_chars=self.characters.prompt(request),
            output_chars=0 if result is None else self.characters.answer(result.body),
        )


def _may_fan_out(error: ProviderError, call: Call) -> bool:
    return error.param == "n" and error.kind.is_callers_fault and call.deployment.multiple_answers == "auto"


def _one_by_one(request: ChatRequest) -> list[ChatRequest]:
    """Return the requests for one answer each. A seed is counted up, else all answers would be the same."""
    answers = request.n or 1
    if answers > MAX_ANSWERS:
        message = f"'n' must be at most {MAX_ANSWERS} for this model."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="n")
    seed = request.seed
    return [replace(request, n=None, seed=None if seed is None else seed + index) for index in range(answers)]


async def _all(
    work: Sequence[Coroutine[object, object, DoneT]], consumed: Callable[[DoneT | None], Usage], call: Call
) -> list[DoneT]:
    """Return everything that is done at once; the first failure ends the rest and is raised, with what was consumed."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = next(filter(None, map(_failure, tasks)), None)
    except asyncio.CancelledError:
        if call.on_abandoned is not None:
            call.on_abandoned(
                summed([consumed(one.result() if one.done() else None) for one in tasks if _failure(one) is None])
            )
        raise
    finally:
        await _end(tasks)
    if failed is None:
        return [task.result() for task in tasks]
    if isinstance(failed, ProviderError):
        usages = [one.usage for one in map(_failure, tasks) if isinstance(one, ProviderError) and one.usage is not None]
        # where the request itself is at fault, the others would have been refused too
        usages += [
            consumed(None if task.cancelled() else task.result())
            for task in tasks
            if _failure(task) is None and not (task.cancelled() and failed.kind.is_callers_fault)
        ]
        failed.usage = summed(usages) if usages else None
    try:
        raise failed
    finally:
        del (
            failed,
            tasks,
        )  # the failure holds this frame, and all that was sent: none would be freed before a collection


async def _end(tasks: Sequence[asyncio.Task[DoneT]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _failure(task: asyncio.Task[DoneT]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


def _merged(results: Sequence[Result[ChatCompletion]], usage: Usage) -> Result[ChatCompletion]:
    first = results[0]
    choices = [choice for result in results for choice in result.body.choices[:1]]
    for index, choice in enumerate(choices):
        choice.index = index
    first.body.choices = choices
    first.body.usage = usage.to_completion_usage()
    dropped = dict.fromkeys(name for result in results for name in result.dropped_params)
    return replace(first, usage=usage, dropped_params=tuple(dropped))


class MergedStream:
    """A `ChunkStream` over one stream for each answer: chunks as they come, under one id, each under its choice."""

    def __init__(
        self,
        streams: Sequence[ChunkStream[ChatCompletionChunk]],
        prompt_chars: int,
        chunk_chars: Callable[[ChatCompletionChunk], int],
    ) -> None:
        self.dropped_params = tuple(dict.fromkeys(name for stream in streams for name in stream.dropped_params))
        self._streams = streams
        self._iterators = [aiter(stream) for stream in streams]
        self._reads: dict[asyncio.Task[tuple[ChatCompletionChunk, ...] | None], int] = {}
        self._begun = False
        self._failure: ProviderError | None = None
        self._first: ChatCompletionChunk | None = None
        self._prompt_chars = prompt_chars
        self._chunk_chars = chunk_chars
        self._output_chars = [0] * len(streams)

    @property
    def usage(self) -> Usage | None:
        """See `ChunkStream`: the sum, with an estimate for each stream that reported nothing."""
        return summed(
            [
                settled_usage(
                    stream.usage, finished=stream.finished, prompt_chars=self._prompt_chars, output_chars=chars
                )
                for stream, chars in zip(self._streams, self._output_chars, strict=True)
            ]
        )

    @property
    def finished(self) -> bool:
        """See `ChunkStream`."""
        return all(stream.finished for stream in self._streams)

    @property
    def upstream_id(self) -> str | None:
        """See `ChunkStream`: that of the first answer."""
        return self._streams[0].upstream_id

    @property
    def upstream_model(self) -> str | None:
        """See `ChunkStream`."""
        return self._streams[0].upstream_model

    @property
    def native_finish_reason(self) -> str | None:
        """See `ChunkStream`: that of the first answer."""
        return self._streams[0].native_finish_reason

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[ChatCompletionChunk, ...]:
        if not self._begun:
            self._begun = True
            for index in range(len(self._streams)):
                self._read(index)
        while self._reads and self._failure is None:
            done, _ = await asyncio.wait(self._reads, return_when=asyncio.FIRST_COMPLETED)
            chunks: list[ChatCompletionChunk] = []
            for task in done:
                chunks += self._taken(task, self._reads.pop(task))
            if chunks:
                return tuple(chunks)
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def push(self, take: Callable[[Sequence[ChatCompletionChunk]], bool]) -> bool:
        """See `ChunkStream`."""
        return await push_each(self, take)

    async def aclose(self) -> None:
        """See `ChunkStream`."""
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
        self._reads.clear()
        for stream in self._streams:
            await stream.aclose()

    def _read(self, index: int) -> None:
        self._reads[asyncio.create_task(_next(self._iterators[index]))] = index

    def _taken(
        self, task: asyncio.Task[tuple[ChatCompletionChunk, ...] | None], index: int
    ) -> Sequence[ChatCompletionChunk]:
        """Return what a read brought, as this stream's own, and read on; a failure waits for the chunks before it."""
        try:
            chunks = task.result()
        except ProviderError as error:
            self._failure = self._failure or error
            return ()
        if chunks is None:
            return ()
        self._read(index)
        for chunk in chunks:
            self._own(chunk, index)
        return chunks

    def _own(self, chunk: ChatCompletionChunk, index: int) -> None:
        self._output_chars[index] += self._chunk_chars(chunk)
        first = self._first = self._first or chunk
        chunk.id, chunk.created = first.id, first.created
        for choice in chunk.choices:
            choice.index = index


async def _next(chunks: AsyncIterator[tuple[ChatCompletionChunk, ...]]) -> tuple[ChatCompletionChunk, ...] | None:
    return await anext(chunks, None)
