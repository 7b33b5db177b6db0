"""Takes over the journals of processes that have ended, row by row; knows no database.

Whoever holds the lock of a folder's file `owner` owns it: two processes never replay the same one at a time, and what
was replayed before a failure is replayed again, which the key of the rows makes harmless.
"""

import asyncio
import fcntl
import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aqueduct.usage.batches import Entries
from aqueduct.usage.journal import OWNER_FILE, UNREADY
from aqueduct.usage.segments import (
    CLOSE,
    OPEN,
    Columns,
    Entry,
    Reordering,
    Row,
    read_columns,
    read_records,
    segment_paths,
)

logger = logging.getLogger("aqueduct.usage")
UNSETTLED: Final = "unsettled"


class Orphan:
    """One folder that this process has taken over. Use as a context manager; `remove` once all of it is committed."""

    def __init__(self, folder: Path, owner_fd: int) -> None:
        self.folder = folder
        self._owner_fd = owner_fd
        self._still_open: dict[str, Row] = {}
        self._reordering: Reordering | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._owner_fd)

    async def batches(self, columns: Columns, limit: int) -> AsyncIterator[Entries]:
        """Yield the rows of requests that ended, up to `limit` at a time."""
        batch: Entries | None = None
        for path in segment_paths(self.folder):
            for reordering, payload in self._records(path, columns):
                if batch is not None and (batch.is_full or batch.reordering is not reordering):
                    yield batch
                    batch = None
                if batch is None:
                    batch = Entries(reordering, limit)
                if batch.add(payload):
                    await asyncio.sleep(0)
        if batch is not None:
            yield batch

    def _records(self, path: Path, columns: Columns) -> Iterator[tuple[Reordering, bytes]]:
        """Yield the rows of one segment as they stand there; notes what is open behind it."""
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            head = read_columns(file.fileno(), end)
            if head is None:
                if end:
                    logger.warning("usage_journal_unreadable segment=%s bytes=%d", path.name, end)
                return
            found, read = head
            if self._reordering is None or not self._reordering.fits(found):
                self._reordering = Reordering(found, columns)
            reordering = self._reordering
            for record in read_records(file.fileno(), read, end):
                read = record.end
                if record.kind == CLOSE:
                    self._still_open.pop(reordering.request_id(record.payload), None)
                    yield reordering, record.payload
                elif record.kind == OPEN:
                    cells = reordering.opened(record.payload)
                    self._still_open[str(cells[columns.requests.index("id")])] = cells
            if read < end:
                logger.warning("usage_journal_torn segment=%s bytes=%d", path.name, end - read)

    def unsettled(self, columns: Columns) -> Iterator[Entry]:
        """Yield, after `batches`, one row per request that was open when the process ended."""
        source = columns.requests.index("usage_source")
        for cells in self._still_open.values():
            yield Entry((*cells[:source], UNSETTLED, *cells[source + 1 :]))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def orphans(parent: Path, own: Path | None) -> Iterator[Orphan]:
    """Take over, one by one, the folders whose processes have ended."""
    for folder in sorted(parent.iterdir()):
        if folder == own or folder.name.startswith(UNREADY):
            continue
        try:
            fd = os.open(folder / OWNER_FILE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # not a journal, or just removed
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            continue
        with Orphan(folder, fd) as orphan:
            yield orphan
