"""Where metrics count: floats changed in place, in this process alone or in a file that all workers can read.

A count kept as a Python float is a new object with every change, and lands wherever memory is free at that moment.
After a peak of requests such objects hold memory of which nothing else is used (decision record 0020).
"""

import logging
import mmap
import os
import struct
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, cast

from prometheus_client.mmap_dict import MmapedDict, mmap_key

CELL_BYTES: Final = 8
FIRST_BYTES: Final = 1 << 16
_HEADER_BYTES: Final = 8
_LENGTH_BYTES: Final = 4
_VALUE_BYTES: Final = 2 * CELL_BYTES
"""A value and a time, which stays 0."""
_Read = Iterator[tuple[str, float, float, int]]
logger = logging.getLogger(__name__)


class Cells(Protocol):
    """Floats by place. `values` is looked up for each change: it may be another object once a place was added."""

    @property
    def values(self) -> "array[float] | memoryview[float]":
        """Return the floats."""
        ...

    def place(self, family: str, sample: str, labels: tuple[tuple[str, ...], tuple[str, ...]], text: str) -> int:
        """Return the place of a sample, 0.0 at first; `labels` are names and values, `text` is the family's help."""
        ...


class LocalCells:
    """Floats of this process."""

    def __init__(self) -> None:
        self._own = array("d")
        self.values: array[float] | memoryview[float] = self._own

    def place(self, family: str, sample: str, labels: tuple[tuple[str, ...], tuple[str, ...]], text: str) -> int:
        """Return a new place: here the caller remembers what it is for."""
        del family, sample, labels, text
        self._own.append(0.0)
        return len(self._own) - 1


class SharedCells:
    """Floats in a file in the library's form (`prometheus_client.mmap_dict`), which its `MultiProcessCollector` reads.

    The form: how many bytes are used (4 bytes), 4 bytes of padding, then for each sample the length of its key
    (4 bytes), the key padded to a multiple of 8 bytes, the value and a time.

    All of the file is written before it is mapped: a write to a page that a full disk has no room for would end the
    process. Once there is no room, samples that are new count in the last cell, which nobody is shown.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._is_full = False
        try:
            if not path.exists():
                _create(path)
            read = cast("_Read", MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]  # the library has no annotation here
            self._places |= {key: position // CELL_BYTES for key, _, _, position in read}
            self._bytes = _mapped(path, path.stat().st_size)
        except OSError as error:
            self._note_full(error)
            self._bytes = mmap.mmap(-1, FIRST_BYTES)
            self._bytes[:_HEADER_BYTES] = _head()
        self._used: int = struct.unpack_from("i", self._bytes)[0]
        self.values: array[float] | memoryview[float] = memoryview(self._bytes).cast("d")

    def place(self, family: str, sample: str, labels: tuple[tuple[str, ...], tuple[str, ...]], text: str) -> int:
        """Return the place of a sample, which may be in the file already: of a process before, with the same id."""
        key: str = mmap_key(family, sample, list(labels[0]), list(labels[1]), text)
        known = self._places.get(key)
        if known is not None:
            return known
        encoded = key.encode()
        padded = encoded + b" " * (CELL_BYTES - (len(encoded) + _LENGTH_BYTES) % CELL_BYTES)
        end = self._used + _LENGTH_BYTES + len(padded) + _VALUE_BYTES
        if self._is_full or not self._has_room(end):
            return len(self._bytes) // CELL_BYTES - 1
        self._bytes[self._used : end] = struct.pack(f"i{len(padded)}sdd", len(encoded), padded, 0.0, 0.0)
        self._used = end
        # Last, because others read so much of the file as this number says.
        self._bytes[:_LENGTH_BYTES] = struct.pack("i", end)
        place = (end - _VALUE_BYTES) // CELL_BYTES
        self._places[key] = place
        return place

    def _has_room(self, needed: int) -> bool:
        """Return whether so many bytes and the last cell are there; grows the file, unless its disk is full."""
        before = size = len(self._bytes)
        if needed + CELL_BYTES <= before:
            return True
        while size < needed + CELL_BYTES:
            size *= 2
        try:
            with self._path.open("ab") as file:
                file.write(bytes(size - before))
            self._bytes = _mapped(self._path, size)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._path, before)
            self._note_full(error)
            return False
        self.values = memoryview(self._bytes).cast("d")
        return True

    def _note_full(self, error: OSError) -> None:
        self._is_full = True
        logger.error("metrics_not_counted file=%s error=%s: new series are missing", self._path.name, error.strerror)


def _head() -> bytes:
    return struct.pack("ii", _HEADER_BYTES, 0)


def _create(path: Path) -> None:
    """Create the file under another name first: whoever finds it must be able to read its head."""
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_bytes(_head().ljust(FIRST_BYTES, b"\0"))
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def _mapped(path: Path, size: int) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), size)
