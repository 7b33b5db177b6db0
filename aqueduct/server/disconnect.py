"""Notices that a client has gone away while its request is in work, and cancels the request's task.

Under the gateway's own protocol the connection tells; under any other server a second task waits for its message.
"""

import asyncio
from typing import Final

from litestar.types import Receive

from aqueduct.server.hot_protocol import on_disconnect

WATCH_AFTER_S: Final = 0.3


class DisconnectWatch:
    """Watches one request. A second task starts after `WATCH_AFTER_S`, so that quick requests do not pay for it.

    `gone` tells the request's task, when it is cancelled, that the client was the reason.
    """

    __slots__ = ("_receive", "_request", "_timer", "_watching", "gone")

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive: Receive | None = None
        self._request: asyncio.Task[object] | None = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if not on_disconnect(receive, self._left):
            self._receive = receive
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start)

    def stop(self) -> None:
        """Stop watching."""
        self._request = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _start(self) -> None:
        self._timer = None
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while self._receive is not None and (await self._receive())["type"] != "http.disconnect":
            pass
        self._watching = None
        self._left()

    def _left(self) -> None:
        if self._request is not None:
            self.gone = True
            self._request.cancel()
