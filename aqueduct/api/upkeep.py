"""What a process does for itself once a second: brings its gauges up to date; knows no request.

Each worker keeps its own gauges current, because any one of them answers `/metrics` for all.
"""

import asyncio
from typing import Final

from aqueduct.api.gateway import Gateway

TICK_S: Final = 1.0


class Upkeep:
    """The task behind it: `start` and `aclose`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
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
        while True:
            publish_gauges(self._gateway)
            await asyncio.sleep(TICK_S)


def publish_gauges(gateway: Gateway) -> None:
    """Show what the process holds now."""
    gateway.metrics.inflight.set(gateway.inflight)
    gateway.metrics.spool_records.set(gateway.recorder.waiting)
    gateway.metrics.policy_staleness.set(gateway.catalog.staleness_s)
