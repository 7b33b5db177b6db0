"""A stream is settled exactly once, whichever way it ends, and its upstream is always closed."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.chat import CHAT
from aqueduct.api.event_stream import DONE, EventStream
from aqueduct.ids import RequestIds
from aqueduct.observability.metrics import Metrics
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.execute import OpenStream
from schemas.chat_response import ChatCompletionChunk, ChoiceDelta, ChunkChoice
from schemas.usage import Usage


class Upstream:
    """Two chunks, then an end of choice; every step takes a pass of the loop."""

    usage = Usage(prompt_tokens=3, completion_tokens=2)
    upstream_id = upstream_model = native_finish_reason = None
    dropped_params = ()

    def __init__(self, end: Exception | None = None) -> None:
        self.end = end
        self.finished = False
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[tuple[ChatCompletionChunk, ...]]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield (chunk(),)
        if self.end is not None:
            raise self.end
        self.finished = True

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


class Reservation:
    def __init__(self) -> None:
        self.settled: list[Usage | None] = []
        self.max_output: int | None = None

    def settle(self, usage: Usage | None) -> None:
        self.settled.append(usage)


def chunk() -> ChatCompletionChunk:
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content="hi"), finish_reason=None)
    return ChatCompletionChunk(id="c", choices=[choice], created=1, model="upstream")


class Run:
    """One stream in the making. `fail_at` makes the send of that number raise."""

    def __init__(self, end: Exception | None = None, fail_at: int | None = None) -> None:
        self.upstream, self.reservation, self.sent = Upstream(end), Reservation(), list[bytes]()
        self.context = RequestContext(RequestIds()(), "/v1/chat/completions", "chat")
        self.fail_at = fail_at
        self.sends = 0
        self.watched: set[object] = set()

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        self.sends += 1
        if self.sends == self.fail_at:
            raise RuntimeError("no send")
        self.sent.append(message.get("body", b""))

    async def go(self) -> None:
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
        request, _ = CHAT.decoder.decode(body)
        watch = SimpleNamespace(add=self.watched.add, discard=self.watched.discard)
        gateway: Any = SimpleNamespace(stream_watch=watch, metrics=Metrics())
        opened: Any = OpenStream((chunk(),), self.upstream, self.reservation)  # type: ignore[arg-type]  # what is used
        stream = EventStream(gateway, CHAT, request, self.context, opened)
        client: Any = SimpleNamespace(gone=False, stop=lambda: None)
        await stream.run(self.send, client)

    def hold(self) -> None:
        assert len(self.reservation.settled) == 1
        assert self.reservation.settled[0] is self.context.usage
        assert self.context.usage is not None
        assert self.upstream.closed == 1
        assert self.watched == set()


async def test_stream_that_ends_is_settled_once_as_reported() -> None:
    run = Run()

    await run.go()

    run.hold()
    assert run.context.usage == Upstream.usage
    assert run.sent[-1] == DONE


async def test_stream_that_its_provider_breaks_off_ends_with_the_error_and_done() -> None:
    run = Run(ProviderError(ErrorKind.OVERLOADED, "no"))

    await run.go()

    run.hold()
    assert run.context.usage is not None
    assert run.context.usage.source == "provider_partial"
    assert b'"upstream_overloaded"' in run.sent[-1]
    assert run.sent[-1].endswith(DONE)


async def test_stream_with_a_defect_tells_the_client_without_its_details() -> None:
    run = Run(KeyError("a-secret"))

    with pytest.raises(KeyError):
        await run.go()

    run.hold()
    assert b'"internal_error"' in run.sent[-1]
    assert b"a-secret" not in b"".join(run.sent)
    assert run.sent[-1].endswith(DONE)


@pytest.mark.parametrize("fail_at", range(1, 6))
async def test_stream_whose_send_raises_is_settled_once(fail_at: int) -> None:
    run = Run(fail_at=fail_at)

    with pytest.raises(RuntimeError):
        await run.go()

    run.hold()


@pytest.mark.parametrize("passes", range(1, 16))
async def test_stream_cancelled_at_any_point_is_settled_once(passes: int) -> None:
    run = Run()
    task = asyncio.create_task(run.go())
    for _ in range(passes):
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task], timeout=2.0)

    assert task.done()
    assert len(run.reservation.settled) == 1
    assert run.context.usage is not None
    assert run.watched == set()
