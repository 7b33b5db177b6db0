"""A stream that opens while its early head is still on its way to the client is owned by somebody. Traps 2 and 10."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from aqueduct.api.chat import CHAT
from aqueduct.api.route import OperationRoute
from aqueduct.observability.metrics import Metrics
from schemas.usage import Usage
from tests.pipeline.drivers import BODY, Adapter, Run, Stream

STREAMED = BODY.replace('"model"', '"stream":true,"model"').encode()


async def test_client_that_leaves_while_the_early_head_is_sent_leaves_nothing_open() -> None:
    sending, opens = asyncio.Event(), asyncio.Event()
    stream = Stream("Hi", usage=Usage(prompt_tokens=7, completion_tokens=1))

    async def slow(*_: object) -> Stream:
        await sending.wait()
        opens.set()
        return stream

    async def send(message: object) -> None:
        del message
        sending.set()
        await asyncio.Event().wait()

    run = Run(Adapter(slow))
    watched: set[object] = set()
    gateway: Any = SimpleNamespace(
        pipeline=run.pipeline,
        settings=SimpleNamespace(keepalive_ping_s=0.01),
        metrics=Metrics(),
        stream_watch=SimpleNamespace(add=watched.add, discard=watched.discard),
    )
    watch: Any = SimpleNamespace(gone=True, stop=lambda: None)
    lease: Any = SimpleNamespace(release=lambda: None)
    answering = asyncio.create_task(OperationRoute(CHAT, gateway)._answer([STREAMED], run.context, send, watch, lease))
    await asyncio.wait_for(opens.wait(), 10)
    for _ in range(10):
        await asyncio.sleep(0)  # up to where the route waits for its head
    assert not answering.done()
    answering.cancel()
    with suppress(asyncio.CancelledError):
        await answering
    assert run.settled is not None
    assert run.settled.prompt_tokens == 7
    assert stream.closed == 1
    assert watched == set()
