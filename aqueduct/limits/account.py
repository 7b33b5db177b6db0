"""One counter as one replica sees it: the credits that it may spend, and what it has spent and not yet reported.

The database keeps, per counter, what was consumed by slot and what each replica holds. A replica spends held credits
without asking. `slack` is what it may still spend: held, minus what was spent since the last report. Reported amounts
move from held to consumed, so the database's sum never falls below what was really consumed.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from aqueduct.limits.rules import Applied, Limit, Metric

UNKNOWN_WAIT_MS: Final = 1_000
"""Where credits come back when another request ends."""


class Account:
    """A counter's local side. Times are in milliseconds of the ledger's clock.

    `pending` is consumption by slot since the last report; a negative amount gives back what was reported. `epoch`
    grows when the lease was lost: what was reserved before is never given back then, because the database has booked
    the whole lease as consumed. `sent` is what was reported and not answered yet.
    `used` and `others` (held by other replicas) are as the last answer told. `is_called`: another replica lacks
    credits, and what is idle here shall go back. `call_until` and `call_again` bound how long others' credits are
    waited for, and how often they are called for; `peek_again` how often others are called for their reports.
    `version` is of the catalog that `limit` is from.
    """

    __slots__ = (
        "__weakref__",
        "call_again",
        "call_until",
        "demand",
        "epoch",
        "free_at",
        "in_use",
        "is_called",
        "is_concurrency",
        "is_enforced",
        "known",
        "last_used",
        "limit",
        "member",
        "metric",
        "others",
        "peek_again",
        "pending",
        "rate",
        "refused_below",
        "refused_until",
        "resets_at",
        "sent",
        "slack",
        "synced_at",
        "tight",
        "used",
        "version",
    )

    def __init__(self, applied: Applied, version: int = 0) -> None:
        self.version = version
        self.limit: Limit = applied.limit
        self.member: UUID = applied.member
        self.metric: Metric = applied.limit.metric
        self.is_concurrency = applied.limit.metric == "concurrency"
        self.is_enforced = applied.limit.mode == "enforce"
        self.slack = 0
        self.pending: dict[int, int] = {}
        self.sent = 0
        self.in_use = 0
        self.epoch = 0
        self.known = False
        self.used = 0
        self.others = 0
        self.is_called = False
        self.call_until = 0
        self.call_again = 0
        self.peek_again = 0
        self.demand = 0
        self.rate = 0.0
        self.tight = False
        self.refused_until = 0
        self.refused_below = 0
        self.free_at = 0
        self.resets_at = 0
        self.last_used = 0
        self.synced_at = 0

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What identifies the counter."""
        return self.limit.id, self.member

    @property
    def spent(self) -> int:
        """What was consumed in the window as far as this replica knows; of slots, what is taken."""
        if self.is_concurrency:
            return self.in_use + self.others
        return max(0, self.used + self.sent + sum(self.pending.values()))

    @property
    def remaining(self) -> int:
        """What is left of the limit as far as this replica knows."""
        if self.is_concurrency:
            return max(0, self.limit.amount - self.in_use - self.others)
        spent = self.used + self.sent
        for amount in self.pending.values():
            spent += amount
        left = self.limit.amount - spent if spent > 0 else self.limit.amount
        return max(0, left)

    @property
    def surplus(self) -> int:
        """What is idle here and has no room in the limit any more, because it was lowered."""
        over = self.spent + self.slack - self.limit.amount + (0 if self.is_concurrency else self.others)
        return max(0, min(self.slack, over))

    def others_may_hold(self, needed: int) -> bool:
        """Whether there is room for so much in the limit, and other replicas hold some of it."""
        spent = self.in_use if self.is_concurrency else self.spent
        return self.others > 0 and self.limit.amount - spent >= needed

    def wait_ms(self, now_ms: int) -> int | None:
        """Return how long it takes until there may be credits again; None where time does not bring any."""
        slots = self.limit.slots
        if self.is_concurrency:
            return UNKNOWN_WAIT_MS
        if slots.slot_ms:
            return self.free_at - now_ms if self.free_at > now_ms else UNKNOWN_WAIT_MS
        ends = slots.ends_ms(now_ms)
        return None if ends is None else ends - now_ms

    def take(self, amount: int, slot: int) -> None:
        """Spend credits, also ones that are not held where the limit is not enforced."""
        self.demand += amount
        self.slack -= amount
        if self.is_concurrency:
            self.in_use += amount
        else:
            self.pending[slot] = self.pending.get(slot, 0) + amount

    def give_back(self, amount: int, slot: int, epoch: int) -> None:
        """Return credits of a reservation, or, where `amount` is negative, take what it needed beyond."""
        if self.is_concurrency:
            self.in_use -= amount
            self.slack += amount
            return
        if epoch != self.epoch and amount > 0:
            return
        before = self.pending.get(slot, 0)
        self.pending[slot] = before - amount
        self.slack += amount if amount < 0 else min(amount, max(before, 0))

    def answered(self, held: int) -> None:
        """Take up what the database says is held after the last report."""
        self.sent = 0
        self.slack = held - self.in_use if self.is_concurrency else held - positive(self.pending.values())

    def lose(self) -> None:
        """The lease lapsed, and another replica had it booked as consumed."""
        self.epoch += 1
        self.known = False
        self.answered(0)


def positive(amounts: Iterable[int]) -> int:
    """Return the sum of those above zero."""
    return sum(amount for amount in amounts if amount > 0)
