"""The watch over open streams holds none that has ended."""

import asyncio
import gc
import weakref

import pytest

from aqueduct.server import stream_watch
from aqueduct.server.stream_watch import StreamWatch


class Stream:
    """An open stream that sends all the time."""

    sending_since = 0.0

    def __init__(self) -> None:
        self.looks = 0

    @property
    def last_sent(self) -> float:
        self.looks += 1
        return asyncio.get_running_loop().time()

    @last_sent.setter
    def last_sent(self, _: float) -> None:
        raise AssertionError

    async def ping(self) -> None:
        raise AssertionError

    def abandon(self) -> None:
        raise AssertionError


async def test_watch_that_sleeps_holds_no_stream_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_watch, "TICK_S", 0.01)
    watch = StreamWatch(ping_s=60, send_timeout_s=60)
    await watch.start()
    stream = Stream()
    watch.add(stream)
    async with asyncio.timeout(10):
        while not stream.looks:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.001)
    monkeypatch.setattr(stream_watch, "TICK_S", 60.0)
    looks = stream.looks
    async with asyncio.timeout(10):
        while stream.looks == looks:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.001)  # now it sleeps for long
    left = weakref.ref(stream)

    watch.discard(stream)
    del stream
    gc.collect()

    assert left() is None
    await watch.aclose()
