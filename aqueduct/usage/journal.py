"""A process's own journal: what it owes the database, on disk before it is in memory; knows no database.

`opened` writes a record before the first upstream byte and `closed` one with the full row at the end. Both are one
`pwrite`, which a killed process does not take back; what a power cut can take is bounded by the `fdatasync` that
follows within `SYNC_S`. The recorder reads the rows back from the files and says what is committed, so memory is
bounded by the requests in work, however long the database is away. A segment is deleted once all its rows are
committed; requests that are still open are written again into the next one.

A process owns a folder by a lock on its file `owner`, which the system releases when the process ends in any way.
"""

import asyncio
import errno
import fcntl
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec import Struct

from aqueduct.usage.batches import Entries
from aqueduct.usage.segments import (
    CLOSE,
    OPEN,
    PROBE,
    Columns,
    Reordering,
    Row,
    encode_entry,
    encode_head,
    encode_open,
    frame,
    read_records,
)

SEGMENT_BYTES: Final = 4 * 1024 * 1024
WORTH_DELETING_BYTES: Final = 256 * 1024
"""A segment whose rows are all committed is replaced once its own records are so many: a kill leaves little to read."""
SYNC_S: Final = 0.02
OWNER_FILE: Final = "owner"
UNREADY: Final = ".new-"
logger = logging.getLogger("aqueduct.usage")


class _Segment:
    """One file. `end` is where the next record goes, `read` where the first row that is not committed may be.

    `begun` is where its own records begin, behind those that were written again into it.
    """

    __slots__ = ("begun", "end", "fd", "path", "read")

    def __init__(self, path: Path, head: bytes) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.begun = self.end = self.read = 0
        if not self.append(head):
            self.delete()
            raise OSError("the journal's disk takes no new segment")
        self.begun = self.read = self.end

    def append(self, data: bytes) -> bool:
        """Write behind the last whole record: what a failed write leaves is written over by the next."""
        try:
            written = os.pwrite(self.fd, data, self.end)
        except OSError:
            return False
        if written != len(data):
            return False
        self.end += written
        return True

    def delete(self) -> None:
        os.close(self.fd)
        self.path.unlink(missing_ok=True)


class Batch(Struct, frozen=True):
    """Rows that are not committed yet, the oldest first.

    `ends` are the places behind them in the oldest segments, None where they are in memory alone.
    """

    entries: Entries
    ends: tuple[int, ...] | None


class Journal:
    """The journal of one process below `folder`; at most `max_bytes` of rows wait in it."""

    def __init__(
        self, folder: Path, columns: Columns, *, max_bytes: int, sync_always: bool = False, now: Callable[[], float]
    ) -> None:
        """`now` returns Unix seconds."""
        self._parent = folder
        self._columns = columns
        self._max_bytes = max_bytes
        self._now = now
        self.sync_always = sync_always
        self._head = encode_head(columns)
        self._reordering = Reordering(columns, columns)
        self._segments: deque[_Segment] = deque()
        self._open: dict[str, bytes] = {}
        self._unwritten: deque[bytes] = deque()
        self._number = 0
        self._owner_fd = self._folder_fd = -1
        self._sealed_bytes = 0
        self._failed = False
        self._worth_deleting = min(WORTH_DELETING_BYTES, max_bytes // 4)
        self._sync_due = False
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced: list[int] = []
        self.folder: Path | None = None
        self.waiting = 0
        """Rows that are not committed."""
        self.oldest_at = 0.0
        """When the oldest row that waits was closed, in Unix seconds, or somewhat before."""

    @property
    def is_full(self) -> bool:
        """Whether new work must be refused, because its usage could not be kept."""
        return self._failed or self._sealed_bytes + self._segments[-1].end >= self._max_bytes

    @property
    def oldest_s(self) -> float:
        """How long the oldest row has waited."""
        return max(0.0, self._now() - self.oldest_at) if self.waiting else 0.0

    def start(self) -> None:
        """Make this process's folder, locked before anybody can see it; raises `OSError` where that cannot be."""
        self._parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}"
        making = self._parent / f"{UNREADY}{name}"
        making.mkdir(mode=0o700)
        self._owner_fd = os.open(making / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._owner_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.folder = making.rename(self._parent / name)
        self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        self._segments.append(_Segment(self._next_path(), self._head))
        self._unsynced.append(self._folder_fd)

    def opened(self, request_id: str, cells: Row) -> bool:
        """Note that a request is about to go upstream; False where it cannot be noted, so that it must not go."""
        payload = encode_open(cells)
        if self._failed or not self._append(frame(OPEN, payload)):
            self._failed = True
            return False
        self._open[request_id] = payload
        return True

    def closed(self, request_id: str, row: Row, attempts: tuple[Row, ...] = ()) -> None:
        """Take a request's rows. It is always taken: what the disk refuses waits in memory, and `is_full` is true.

        Raises `TypeError` or `ValueError` where a cell cannot be written at all.
        """
        try:
            payload = encode_entry(row, attempts)
        finally:
            self._open.pop(request_id, None)
        if not self.waiting:
            self.oldest_at = self._now()
        self.waiting += 1
        if self._failed or not self._append(frame(CLOSE, payload)):
            self._failed = True
            self._unwritten.append(payload)

    def retry(self) -> None:
        """Try again to write what the disk has refused, and find out whether it takes new work."""
        while self._unwritten:
            if not self._append(frame(CLOSE, self._unwritten[0])):
                return
            self._unwritten.popleft()
        if self._failed:
            self._failed = not self._append(frame(PROBE, b""))

    async def batch(self, limit: int) -> Batch:
        """Return up to `limit` rows that wait, the oldest first; the same again until they are committed."""
        entries, ends = Entries(self._reordering, limit), list[int]()
        for segment in tuple(self._segments):
            end = segment.end
            for record in read_records(segment.fd, segment.read, end):
                if record.kind != CLOSE:
                    continue
                if entries.add(record.payload):
                    await asyncio.sleep(0)
                if entries.is_full:
                    return Batch(entries, (*ends, record.end))
            ends.append(end)
        if entries:
            return Batch(entries, tuple(ends))
        self._read_up_to(ends)
        if unreadable := self.waiting - len(self._unwritten):  # the disk has not kept them
            logger.critical("usage_journal_unreadable rows=%d", unreadable)
            self.waiting -= unreadable
        for payload in islice(self._unwritten, limit):
            entries.add(payload)
        return Batch(entries, None)

    def commit(self, batch: Batch) -> None:
        """Forget a batch, which the database has."""
        if batch.ends is None:
            for _ in range(len(batch.entries)):
                self._unwritten.popleft()
        self.waiting -= len(batch.entries)
        self.oldest_at = self._now() if not self.waiting else max(self.oldest_at, _closed_at(batch, self._columns))
        self._read_up_to(batch.ends or ())
        last = self._segments[-1]
        if not self.waiting and last.end - last.begun >= self._worth_deleting and self._rotate():
            self._drop_oldest()

    async def durable(self) -> None:
        """Return when everything that is written so far would survive a power cut."""
        if self._syncing is not None:  # it may have begun before our record
            await asyncio.shield(self._syncing)
        await asyncio.shield(self._syncing or self._sync_now())

    async def aclose(self) -> None:
        """Let go of the folder; it is removed where the database has all of it, else left for another process.

        That is so too where a request is still open: nobody may know what it has consumed.
        """
        if self.folder is None:
            return
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        self._sync_due = True
        if not (self.waiting or self._open):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.retry()
            await self._sync_now()
        for segment in self._segments:
            os.close(segment.fd)
        os.close(self._folder_fd)
        os.close(self._owner_fd)
        self.folder = None

    @property
    def in_memory_only(self) -> int:
        """Rows that no disk has taken."""
        return len(self._unwritten)

    def _append(self, data: bytes) -> bool:
        if self.folder is None:
            return False
        segment = self._segments[-1]
        if segment.end - segment.begun >= SEGMENT_BYTES and self._rotate():
            segment = self._segments[-1]
        if not self._sync_due:
            self._sync_due = True
            asyncio.get_running_loop().call_later(SYNC_S, self._begin_sync)
        return segment.append(data)

    def _rotate(self) -> bool:
        """Begin a new segment with the requests that are open; where the disk does not let us, the old one goes on."""
        try:
            segment = _Segment(self._next_path(), self._head)
        except OSError:
            return False
        if not segment.append(b"".join(frame(OPEN, payload) for payload in self._open.values())):
            segment.delete()
            return False
        segment.begun = segment.end
        self._sealed_bytes += self._segments[-1].end
        self._unsynced += [self._segments[-1].fd, self._folder_fd]
        self._segments.append(segment)
        return True

    def _read_up_to(self, ends: Sequence[int]) -> None:
        """Let go of what stands before these places of the oldest segments."""
        for segment, end in zip(self._segments, ends, strict=False):
            segment.read = end
        while len(self._segments) > 1 and self._segments[0].read >= self._segments[0].end:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        segment = self._segments.popleft()
        self._sealed_bytes -= segment.end
        segment.delete()

    def _next_path(self) -> Path:
        if self.folder is None:
            raise RuntimeError("the journal is not started")
        self._number += 1
        return self.folder / f"{self._number:010d}.segment"

    def _begin_sync(self) -> None:
        if self.folder is None:
            return
        if self._syncing is not None:  # what was written since is not in it
            asyncio.get_running_loop().call_later(SYNC_S, self._begin_sync)
            return
        self._sync_due = False
        self._sync_now()

    def _sync_now(self) -> "asyncio.Future[None]":
        fds, self._unsynced = [*self._unsynced, self._segments[-1].fd], []
        self._syncing = asyncio.ensure_future(asyncio.to_thread(_sync, fds))
        self._syncing.add_done_callback(self._synced)
        return self._syncing

    def _synced(self, _: "asyncio.Future[None]") -> None:
        self._syncing = None


def _sync(fds: list[int]) -> None:
    """Flush files to the disk; one that was deleted meanwhile needs it no more."""
    for fd in fds:
        try:
            os.fdatasync(fd)
        except OSError as error:
            if error.errno not in {errno.EBADF, errno.EINVAL}:
                logger.warning("usage_journal_sync_failed error=%s", error.strerror)


def _closed_at(batch: Batch, columns: Columns) -> float:
    """Return when the last request of a batch ended, in Unix seconds."""
    row = batch.entries[-1].request
    started, duration_ms = row[columns.requests.index("started_at")], row[columns.requests.index("duration_ms")]
    if isinstance(started, datetime) and isinstance(duration_ms, int):
        return started.timestamp() + duration_ms / 1000
    return 0.0
