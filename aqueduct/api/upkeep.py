"""What a process does for itself once a second: current gauges, and freed memory given back; knows no request.

Each worker keeps its own gauges current, because any one of them answers `/metrics` for all.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final, cast

from adapters.finish import unmapped
from adapters.signatures import missing_signatures
from aqueduct.api.gateway import Gateway

TICK_S: Final = 1.0
WORTH_TRIMMING: Final = 200
"""So many requests must have ended before memory is given back: it takes some milliseconds."""


class Upkeep:
    """The task behind it: `start` and `aclose`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._task: asyncio.Task[None] | None = None
        self._trim = _malloc_trim()
        self._peak = 0

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
            self._give_back()
            await asyncio.sleep(TICK_S)

    def _give_back(self) -> None:
        """After a peak of open requests, let the C library return to the system what they have freed."""
        inflight = self._gateway.inflight
        self._peak = max(self._peak, inflight)
        if self._trim is None or inflight > self._peak // 4 or self._peak < WORTH_TRIMMING:
            return
        self._peak = inflight
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
