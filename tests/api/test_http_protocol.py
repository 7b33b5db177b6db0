"""A connection that waits for its next request: closed when its time is over, and at no other moment."""

import asyncio
import time
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from aqueduct.api.http_protocol import BoundedHttpProtocol

KEEP_ALIVE_S = 0.2
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
BOUND_S = 10.0


class Wire:
    """A transport that only notes."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.closed = asyncio.Event()
        self.closed_at = 0.0

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 204"):
            self.answered.set()

    def close(self) -> None:
        self.closed_at = time.monotonic()
        self.closed.set()

    abort = close

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default


class Served:
    """One connection to an application that answers when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        config = Config(
            self._answer, loop="none", http="httptools", ws="none", lifespan="off", interface="asgi3", access_log=False
        )
        config.load()
        self.wire = Wire()
        self.protocol = BoundedHttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol.timeout_keep_alive = KEEP_ALIVE_S  # type: ignore[assignment]  # whole seconds take too long
        self.protocol.connection_made(self.wire)  # type: ignore[arg-type]  # as far as it is used

    async def _answer(self, _scope: Any, _receive: Any, send: Any) -> None:
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def ask(self) -> None:
        """Send a request and wait for its answer."""
        self.wire.answered.clear()
        self.protocol.data_received(REQUEST)
        async with asyncio.timeout(BOUND_S):
            await self.wire.answered.wait()

    async def closed_after_s(self, since: float) -> float:
        """Wait for the end of the connection."""
        async with asyncio.timeout(BOUND_S):
            await self.wire.closed.wait()
        return self.wire.closed_at - since


async def test_idle_connection_is_closed_when_the_time_since_its_last_answer_is_over() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    await asyncio.sleep(KEEP_ALIVE_S / 2)
    before = time.monotonic()
    await served.ask()  # its time begins anew

    assert await served.closed_after_s(before) >= KEEP_ALIVE_S * 0.95
    served.protocol.connection_lost(None)


async def test_connection_with_a_request_in_work_is_not_idle_and_is_so_again_after_it() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    served.may_answer.clear()
    asking = asyncio.create_task(served.ask())
    await asyncio.sleep(KEEP_ALIVE_S * 2)
    assert not served.wire.is_closing()

    served.may_answer.set()
    before = time.monotonic()
    await asking
    assert await served.closed_after_s(before) >= KEEP_ALIVE_S * 0.95
    served.protocol.connection_lost(None)


async def test_connection_that_is_lost_leaves_no_timer_behind() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    served.protocol.connection_lost(None)

    timer = served.protocol._idle_timer
    assert timer is not None
    assert timer.cancelled()
