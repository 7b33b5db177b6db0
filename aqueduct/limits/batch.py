"""What a replica tells the database of its counters, and what it is told, as `ledger.sync` has it; decides nothing."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from aqueduct.limits.rules import Metric

MAX_ITEMS: Final = 500
"""Counters in one batch, 0.1 ms of the database each: the rest follows in the next."""


class Item(Struct, frozen=True):
    """One counter in a batch, in the short names of `ledger.sync`."""

    limit: UUID
    member: UUID
    metric: Metric
    known: bool
    slot_ms: int
    starts: tuple[int, ...]
    deltas: tuple[tuple[int, int], ...] = ()
    give: int = 0
    need: int = 0
    least: int = 0
    spare: int = 0
    in_use: int = -1
    """Slots in use; -1 where the metric is not concurrency."""
    drop: bool = False


class Batch(Struct, frozen=True):
    """What one replica tells the database, once; `sent_at` is in milliseconds of the local clock."""

    number: int
    sent_at: int
    items: tuple[Item, ...]


class Line(Struct, frozen=True):
    """The database's answer for one counter."""

    limit: UUID
    member: UUID
    lost: bool
    held: int
    used: int
    others: int
    free_at: int
    resets_at: int
    short: bool
    tight: bool


class Answer(Struct, frozen=True):
    """The database's answer to a batch; `at_ms` is its clock."""

    at_ms: int
    lines: tuple[Line, ...]
