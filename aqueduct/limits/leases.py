"""Keeps a replica's leases: reports and renews in the background, and lets requests wait for credits that are missing.

One batch is under way at a time, whatever the load: requests that lack credits join the next one. A request whose
counters all have credits never comes here.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Protocol
from uuid import UUID

from aqueduct.limits.account import Account
from aqueduct.limits.batch import Answer, Batch
from aqueduct.limits.held import Held, Take
from aqueduct.limits.ledger import Ledger

SYNC_TIMEOUT_S: Final = 3.0
WAIT_S: Final = 5.0
PAUSE_S: Final = 0.01
"""Least time between two batches that nobody waits for."""
RETRY_S: Final = 0.25
CALL_PAUSE_S: Final = 0.02
"""What replicas that are called take to report, on a machine that has time for them."""
PEEK_PAUSES_S: Final = (0.02, 0.04, 0.04, 0.08)
"""How long reports are waited for that others were called for."""
MAX_ROUNDS: Final = 8
logger = logging.getLogger(__name__)


_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def local_ms() -> int:
    """Return the time by the clock of leases: nobody sets it, and it goes on while the machine sleeps (Linux)."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class Store(Protocol):
    """Where batches are carried out."""

    async def sync(self, batch: Batch) -> Answer:
        """Carry out a batch, at most once however often it is sent."""
        ...

    def listen(self, called: Callable[[UUID, UUID], None]) -> None:
        """Say who is told that another replica calls for a limit's counter of a member."""
        ...

    async def call(self, counters: Sequence[tuple[UUID, UUID]]) -> None:
        """Call the other replicas: they are to report these counters, and to give back what they do not use."""
        ...

    async def leave(self) -> None:
        """Report no more; everything is settled."""
        ...

    def drop(self) -> None:
        """Give up the connection."""
        ...


class Unreachable(Enum):
    """The store did not answer in time."""

    UNREACHABLE = "unreachable"


class Leases:
    """The task behind a ledger: `start` and `aclose`."""

    def __init__(self, ledger: Ledger, store: Store, *, report_s: float) -> None:
        self.ledger = ledger
        self._store = store
        self._report_s = report_s
        self._wake = asyncio.Event()
        self._waiting: list[tuple[Sequence[Take], asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None
        store.listen(self._called)
        self.is_reachable = True
        self.failures = 0
        """Batches that got no answer since the start."""

    async def start(self) -> None:
        """Learn the database's time, and begin. A store that is out of reach does not prevent it."""
        await self._exchange()
        self._task = asyncio.create_task(self._run(), name="limit-leases")

    async def aclose(self) -> None:
        """Report what was spent and give back what is held."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self.ledger.close()
            await self._exchange()  # an unanswered batch goes first
            while await self._exchange() and self.ledger.has_more:
                pass
            if self.is_reachable:
                await self._leave()
        self._store.drop()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_S):
                await self._store.leave()
        except Exception as error:  # noqa: BLE001 - the boundary of a background task: it is settled as if it were killed
            logger.warning("limits_not_left error=%s", type(error).__name__)

    def _called(self, limit: UUID, member: UUID) -> None:
        if self.ledger.called(limit, member):
            self.hurry()

    def hurry(self) -> None:
        """Report soon: others may wait for what was given back."""
        self._wake.set()

    async def acquire(self, takes: Sequence[Take]) -> tuple[Held, ...] | Account | Unreachable:
        """Return the reservation, the counter that refuses it, or that nobody could be asked."""
        try:
            async with asyncio.timeout(WAIT_S):
                wanted = takes
                for _ in range(MAX_ROUNDS):
                    held = self.ledger.reserve(wanted)
                    if held is not None:
                        return held
                    refused = self.ledger.refusal(takes)
                    if refused is not None and not self.ledger.expects(takes):
                        return refused
                    is_reachable = await self._next_answer(takes)
                    wanted = self.ledger.reduced(takes)  # the whole was asked for: what has come must do
                    if refused is not None and self.ledger.lacking(wanted):
                        await asyncio.sleep(CALL_PAUSE_S)
                    if not is_reachable:
                        return self.ledger.reserve(wanted) or Unreachable.UNREACHABLE
        except TimeoutError:
            return self.ledger.reserve(self.ledger.reduced(takes)) or Unreachable.UNREACHABLE
        wanted = self.ledger.reduced(takes)  # others were quicker each time
        lacking = self.ledger.lacking(wanted)
        return lacking[0].account if lacking else self.ledger.take(wanted)

    async def refresh(self, accounts: Sequence[Account]) -> bool:
        """Learn where counters stand, also of what others have not reported; False where nobody could be asked in time.

        Where others hold nothing of a limit that is enforced, they have reported everything.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                self.ledger.peek(accounts)
                is_reachable = await self._next_answer(())
                asked = [account for account in accounts if account.others > 0 or not account.is_enforced]
                for pause_s in PEEK_PAUSES_S:
                    if not (is_reachable and asked):
                        break
                    self.ledger.call_reports(asked)
                    await self._next_answer(())
                    await asyncio.sleep(pause_s)
                    self.ledger.peek(asked)
                    is_reachable = await self._next_answer(())
                    asked = [one for one in asked if one.others > 0 and one.is_enforced and not one.is_concurrency]
                return is_reachable
        except TimeoutError:
            return False

    async def _next_answer(self, takes: Sequence[Take]) -> bool:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (takes, future)
        self._waiting.append(entry)
        self._wake.set()
        try:
            return await future
        finally:
            if not future.done():
                self._waiting.remove(entry)

    async def _run(self) -> None:
        while True:
            if not (self._waiting or (self.ledger.has_more and self.is_reachable)):
                await self._pause()
            if not (self._waiting or self.ledger.size):
                continue  # nobody is limited
            answered = await self._exchange()
            await asyncio.sleep(0)  # those who waited take what has come, before the next batch gives back what is idle
            if not answered:
                await asyncio.sleep(RETRY_S)

    async def _pause(self) -> None:
        self._wake.clear()
        await asyncio.sleep(PAUSE_S)
        try:
            async with asyncio.timeout(self._report_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _exchange(self) -> bool:
        waiting, self._waiting = self._waiting, []
        for takes, future in waiting:
            if not future.done():
                self.ledger.ask(self.ledger.lacking(takes))
        batch = self.ledger.prepare()
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_S):
                if calls := self.ledger.calls():
                    await self._store.call(calls)
                answer = await self._store.sync(batch)
            self.ledger.take_up(batch, answer)
            if not self.is_reachable:
                logger.warning("limits_store_reachable")
            self.is_reachable = True
        except Exception as error:  # noqa: BLE001 - the boundary of a background task: held leases go on meanwhile
            self.failures += 1
            if self.is_reachable:
                logger.warning("limits_store_unreachable error=%s", type(error).__name__)
            self.is_reachable = False
            self._store.drop()
        except BaseException:  # raised again: those who wait must not wait for a task that has ended
            self._answer(waiting)
            raise
        self._answer(waiting)
        return self.is_reachable

    def _answer(self, waiting: list[tuple[Sequence[Take], asyncio.Future[bool]]]) -> None:
        for _, future in waiting:
            if not future.done():
                future.set_result(self.is_reachable)
