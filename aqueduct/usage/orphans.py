"""Takes over the journals of processes that have ended, row by row; knows no database.

Whoever holds the lock of a folder's file `owner` owns it: two processes never replay the same one at a time, and what
was replayed before a failure is replayed again, which the key of the rows makes harmless.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._owner_fd)

    def entries(self, columns: Columns) -> Iterator[Entry]:
        """Yield the rows of requests that ended."""
        place = columns.requests.index("id")
        for path in segment_paths(self.folder):
            yield from _entries(path, columns, place, self._still_open)

    def unsettled(self, columns: Columns) -> Iterator[Entry]:
        """Yield, after `entries`, one row per request that was open when the process ended."""
        source = columns.requests.index("usage_source")
        for cells in self._still_open.values():
            yield Entry((*cells[:source], UNSETTLED, *cells[source + 1 :]))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _entries(path: Path, columns: Columns, place: int, still_open: dict[str, Row]) -> Iterator[Entry]:
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        head = read_columns(file.fileno(), end)
        if head is None:
            if end:
                logger.warning("usage_journal_unreadable segment=%s bytes=%d", path.name, end)
            return
        found, read = head
        reordering = Reordering(found, columns)
        for record in read_records(file.fileno(), read, end):
            read = record.end
            if record.kind == CLOSE:
                entry = reordering.entry(record.payload)
                still_open.pop(str(entry.request[place]), None)
                yield entry
            elif record.kind == OPEN:
                cells = reordering.opened(record.payload)
                still_open[str(cells[place])] = cells
        if read < end:
            logger.warning("usage_journal_torn segment=%s bytes=%d", path.name, end - read)


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
