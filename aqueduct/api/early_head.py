"""Begins the answer of a stream whose provider stays silent, so that nobody between takes the silence for an end."""

import asyncio
import time

from litestar.types import Send

from aqueduct.api.event_stream import PING
from aqueduct.api.headers import as_headers, stream_head
from aqueduct.pipeline.context import RequestContext


class EarlyHead:
    """Waits beside the opening of one stream.

    After `ping_s` of silence it sends the head and a comment, then a comment each `ping_s`. From then on a failure can
    only be told as an event; attempts go on as before, because no content has been sent.
    """

    __slots__ = ("_context", "_ping_s", "_send", "_sending", "_timer")

    def __init__(self, send: Send, context: RequestContext, ping_s: float) -> None:
        self._send = send
        self._context = context
        self._ping_s = ping_s
        self._sending: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(ping_s, self._start)

    async def stop(self) -> None:
        """End the waiting; what is being sent is sent to its end."""
        self._timer.cancel()
        if self._sending is not None:
            await asyncio.wait([self._sending])

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._sending = loop.create_task(self._speak())
        self._timer = loop.call_later(self._ping_s, self._start)

    async def _speak(self) -> None:
        context = self._context
        if not context.begun_early:
            context.begun_early = True
            context.status = 200
            waiting_s = time.perf_counter() - (context.attempt_begun or time.perf_counter())
            context.waited_s += waiting_s  # for the head alone: the attempt adds its time when it ends
            head = stream_head(context)
            context.waited_s -= waiting_s
            await self._send({"type": "http.response.start", "status": 200, "headers": as_headers(head)})
        await self._send({"type": "http.response.body", "body": PING, "more_body": True})
