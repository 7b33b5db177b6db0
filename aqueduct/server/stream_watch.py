"""Looks after open streams once a second: keep-alive comments in silence, and an end to clients that stop reading."""

import asyncio
from typing import Final, Protocol

TICK_S: Final = 1.0


class WatchedStream(Protocol):
    """An open stream as its watch sees it. Times are in loop time; `sending_since` is 0 while nothing is being sent."""

    last_sent: float
    sending_since: float

    async def ping(self) -> None:
        """Send a comment."""
        ...

    def abandon(self) -> None:
        """End the stream: its client does not read."""
        ...


class StreamWatch:
    """All open streams of a process."""

    def __init__(self, *, ping_s: float, send_timeout_s: float) -> None:
        self._ping_s = ping_s
        self._send_timeout_s = send_timeout_s
        self._streams: set[WatchedStream] = set()
        self._pings: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, stream: WatchedStream) -> None:
        """Look after a stream."""
        self._streams.add(stream)

    def discard(self, stream: WatchedStream) -> None:
        """Look after it no longer."""
        self._streams.discard(stream)

    @property
    def open(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    async def start(self) -> None:
        """Start looking."""
        self._task = asyncio.create_task(self._run(), name="stream-watch")

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task, *self._pings], timeout=1.0)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            self._look(loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look once. Not part of `_run`, whose variables would hold the last stream in memory."""
        now = loop.time()
        for stream in tuple(self._streams):
            if stream.sending_since:
                if now - stream.sending_since > self._send_timeout_s:
                    stream.abandon()
            elif now - stream.last_sent >= self._ping_s:
                ping = loop.create_task(stream.ping())
                self._pings.add(ping)
                ping.add_done_callback(self._pings.discard)
