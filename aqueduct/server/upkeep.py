"""What a process does for itself once a second: current gauges, and freed memory given back; knows no request."""

import asyncio
from collections.abc import Callable
from typing import Final

from aqueduct.server.freed_memory import FreedMemory

TICK_S: Final = 1.0


class Upkeep:
    """The task behind it. `publish` shows the gauges, `inflight` tells how many requests are open."""

    def __init__(self, publish: Callable[[], None], inflight: Callable[[], int]) -> None:
        self._publish = publish
        self._inflight = inflight
        self._freed_memory = FreedMemory()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def aclose(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._publish()
            self._freed_memory.look(self._inflight(), loop.time())
            await asyncio.sleep(TICK_S)
