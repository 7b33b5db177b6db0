"""A connection that waits for its next request: closed when its time is over, and at no other moment."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from aqueduct.server.http_protocol import BoundedHttpProtocol

KEEP_ALIVE_S = 8
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
BOUND_S = 10.0


class Timer:
    """What a protocol holds of a call that is to come."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled


class Clock:
    """The running loop with a time that goes on where a test says so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> Timer:
        timer = Timer(self._now + delay, lambda: call(*arguments))
        self._timers.append(timer)
        return timer

    def go_on(self, seconds: float) -> None:
        self._now += seconds
        due = [timer for timer in self._timers if timer.at <= self._now]
        self._timers = [timer for timer in self._timers if timer.at > self._now]
        for timer in due:
            if not timer.cancelled():
                timer.call()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Wire:
    """A transport that only notes."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._closed = False

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 204"):
            self.answered.set()

    def close(self) -> None:
        self._closed = True

    abort = close

    def is_closing(self) -> bool:
        return self._closed

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default


class Served:
    """One connection to an application that answers when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        config = Config(
            self._answer,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        config.load()
        self.wire = Wire()
        self.clock = Clock()
        loop: Any = self.clock
        self.protocol = BoundedHttpProtocol(config, ServerState(), {}, loop)
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

    def is_closed_after(self, seconds: float) -> bool:
        """Whether the connection is closed once so much time has gone on."""
        self.clock.go_on(seconds)
        return self.wire.is_closing()


async def test_idle_connection_is_closed_when_the_time_since_its_last_answer_is_over() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    assert not served.is_closed_after(KEEP_ALIVE_S / 2)
    await served.ask()  # its time begins anew

    assert not served.is_closed_after(KEEP_ALIVE_S / 2)
    assert not served.is_closed_after(KEEP_ALIVE_S / 4)
    assert served.is_closed_after(KEEP_ALIVE_S / 4)
    served.protocol.connection_lost(None)


async def test_connection_with_a_request_in_work_is_not_idle_and_is_so_again_after_it() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    served.may_answer.clear()
    asking = asyncio.create_task(served.ask())
    await asyncio.sleep(0)
    assert not served.is_closed_after(KEEP_ALIVE_S * 2)

    served.may_answer.set()
    await asking
    assert not served.is_closed_after(KEEP_ALIVE_S / 2)
    assert served.is_closed_after(KEEP_ALIVE_S / 2)
    served.protocol.connection_lost(None)


async def test_connection_that_is_lost_leaves_no_timer_behind() -> None:
    served = Served()
    served.may_answer.set()
    await served.ask()
    served.protocol.connection_lost(None)

    timer = served.protocol._idle_timer
    assert timer is not None
    assert timer.cancelled()
