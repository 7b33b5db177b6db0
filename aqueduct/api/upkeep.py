"""What a process does for itself once a second: current gauges, and freed memory given back; knows no request.

Each worker keeps its own gauges current, because any one of them answers `/metrics` for all.
"""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Final, cast

from adapters.counts import missing_signatures, unmapped
from aqueduct.api.gateway import Gateway
from aqueduct.api.give_back import Due, GiveBack

TICK_S: Final = 1.0


class Upkeep:
    """The task behind it: `start` and `aclose`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._task: asyncio.Task[None] | None = None
        self._trim = _malloc_trim()
        self._give_back = GiveBack()

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
            publish_gauges(self._gateway)
            self._tidy(self._give_back.due(self._gateway.inflight, loop.time()))
            await asyncio.sleep(TICK_S)

    def _tidy(self, due: Due) -> None:
        """Let the C library return to the system what is free."""
        if due is Due.NOTHING or self._trim is None:
            return
        if due is Due.COLLECT_AND_GIVE_BACK:
            gc.collect()
        self._trim(0)


def publish_gauges(gateway: Gateway) -> None:
    """Show what the process holds now."""
    gateway.metrics.inflight.set(gateway.inflight)
    gateway.metrics.spool_records.set(gateway.recorder.waiting)
    gateway.metrics.spool_oldest.set(gateway.recorder.oldest_s)
    ledger = gateway.admission.leases.ledger
    gateway.metrics.limits.slack.set(ledger.slack)
    gateway.metrics.limits.overrun.set(ledger.overrun)
    gateway.metrics.limits.unreachable.set(not gateway.admission.leases.is_reachable)
    gateway.metrics.policy_staleness.set(gateway.catalog.staleness_s)
    gateway.metrics.unmapped_finish_reasons(unmapped())
    gateway.metrics.missing_signatures(missing_signatures())


def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's function, None where the C library is another."""
    if sys.platform != "linux":
        return None
    try:
        return cast("Callable[[int], int]", ctypes.CDLL(None).malloc_trim)
    except (OSError, AttributeError):
        return None
