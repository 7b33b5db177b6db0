"""Runs an adapter once on given upstream bytes and notes what came of it; judges nothing but how it let go."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct, field

from adapters.base import Call, ChunkStream, Result
from adapters.conformance.case import ConformanceCase, Played, PlayedTransport
from adapters.errors import ProviderError
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.usage import Usage

RUN_LIMIT_S: Final = 30.0
MAX_CHUNKS: Final = 100_000


class WholeOutcome(Struct, kw_only=True):
    """What an unstreamed call came to."""

    result: Result[ChatCompletion] | None = None
    error: ProviderError | None = None
    released: bool = True


class StreamOutcome(Struct, kw_only=True):
    """What a streamed call came to: everything that arrived, then the end or an error."""

    chunks: list[ChatCompletionChunk] = field(default_factory=list[ChatCompletionChunk])
    error: ProviderError | None = None
    finished: bool = False
    usage: Usage | None = None
    upstream_id: str | None = None
    upstream_model: str | None = None
    native_finish_reason: str | None = None
    released: bool = True


async def run_whole(case: ConformanceCase, played: Played | None, situation: str) -> WholeOutcome:
    """Call `chat`; anything but a `ProviderError` escapes with the situation noted on it."""
    transport = PlayedTransport(played)
    outcome = WholeOutcome()
    async with _watched(situation):
        try:
            outcome.result = await case.adapter(transport).chat(case.request, new_call(case))
        except ProviderError as error:
            outcome.error = error
    outcome.released = transport.all_released
    return outcome


async def run_stream(
    case: ConformanceCase, played: Played | None, situation: str, *, pushed: bool = False
) -> StreamOutcome:
    """Call `chat_stream`, read it to its end and close it twice; escapes as with `run_whole`.

    `pushed`: let it push its chunks, to a taker that wants a pause after each time.
    """
    transport = PlayedTransport(played)
    outcome = StreamOutcome()
    async with _watched(situation):
        try:
            stream = await case.adapter(transport).chat_stream(case.request, new_call(case))
        except ProviderError as error:
            outcome.error = error
        else:
            await _read(stream, outcome, pushed=pushed)
    outcome.released = transport.all_released
    return outcome


async def _read(stream: ChunkStream[ChatCompletionChunk], outcome: StreamOutcome, *, pushed: bool) -> None:
    def take(chunks: Sequence[ChatCompletionChunk]) -> bool:
        outcome.chunks += chunks
        return False

    try:
        while pushed and len(outcome.chunks) <= MAX_CHUNKS and not await stream.push(take):
            pass
        async for chunks in stream:  # nothing, where the stream was pushed to its end
            outcome.chunks += chunks
            if len(outcome.chunks) > MAX_CHUNKS:
                break
    except ProviderError as error:
        outcome.error = error
    finally:
        await stream.aclose()
        await stream.aclose()
    outcome.finished = stream.finished
    outcome.usage = stream.usage
    outcome.upstream_id = stream.upstream_id
    outcome.upstream_model = stream.upstream_model
    outcome.native_finish_reason = stream.native_finish_reason


def new_call(case: ConformanceCase) -> Call:
    """Return the attempt that every run makes; must be called inside the event loop."""
    deadline = asyncio.get_running_loop().time() + RUN_LIMIT_S
    return Call(deployment=case.deployment, request_id="0190a000-0000-7000-8000-000000000000", deadline=deadline)


@asynccontextmanager
async def _watched(situation: str) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(RUN_LIMIT_S):
            yield
    except Exception as error:  # whatever an adapter lets out is the finding
        error.add_note(f"while the adapter saw: {situation}")
        raise
