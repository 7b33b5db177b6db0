"""Rows of a journal as they go to the database together: bounded, and decoded only when they are written."""

from collections.abc import Sequence
from typing import Final, overload

from typing_extensions import override

from aqueduct.usage.segments import Entry, Reordering

BATCH_BYTES: Final = 16 * 1024 * 1024
"""At most so many bytes of rows are in memory at a time."""
SLICE_ROWS: Final = 250
"""So many rows are read and encoded at a time: some milliseconds, in which nobody else is served."""


class Entries(Sequence[Entry]):
    """Up to `limit` rows as they stand in a journal, each decoded when it is asked for."""

    def __init__(self, reordering: Reordering, limit: int) -> None:
        self.reordering = reordering
        self._limit = limit
        self._room = BATCH_BYTES
        self._payloads: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """Whether the database should have these before there are more."""
        return len(self._payloads) >= self._limit or self._room <= 0

    def add(self, payload: bytes) -> bool:
        """Take the payload of a `CLOSE`; returns whether it is time to let others be served."""
        self._payloads.append(payload)
        self._room -= len(payload)
        return len(self._payloads) % SLICE_ROWS == 0

    @override
    def __len__(self) -> int:
        return len(self._payloads)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    @override
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            return [self.reordering.entry(payload) for payload in self._payloads[index]]
        return self.reordering.entry(self._payloads[index])
