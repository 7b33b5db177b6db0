"""The journal's files: framed records with a checksum each, written at one place and read up to the first torn one.

A segment begins with a `HEAD` record that names the columns, so that a later release can replay it. A record is its
payload's length, a CRC-32 over kind and payload, the kind, and the payload in MessagePack:

    HEAD    [columns of a request, columns of an attempt]
    OPEN    [cells of a request, as far as they are known before the first upstream byte]
    CLOSE   [[cells of the request], [[cells of an attempt], ...]]
"""

import os
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

Cell = UUID | datetime | Decimal | int | float | bool | str | list[str] | None
Row = tuple[Cell, ...]
HEAD: Final = 1
OPEN: Final = 2
CLOSE: Final = 3
PROBE: Final = 4
"""Written to find out whether the disk takes anything again; says nothing."""
MAX_PAYLOAD_BYTES: Final = 1024 * 1024
_FRAME: Final = struct.Struct("<IIB")
_READ_BYTES: Final = 256 * 1024


class _Id(Struct, frozen=True, array_like=True, gc=False):
    """The first cell of a row; what follows is skipped."""

    id: str


_encode = msgspec.msgpack.Encoder(uuid_format="canonical").encode
_decode_entry = msgspec.msgpack.Decoder(tuple[tuple[object, ...], tuple[tuple[object, ...], ...]]).decode
_decode_id = msgspec.msgpack.Decoder(tuple[_Id, msgspec.Raw]).decode
_decode_open = msgspec.msgpack.Decoder(tuple[object, ...]).decode
_decode_head = msgspec.msgpack.Decoder(tuple[tuple[str, ...], tuple[str, ...]]).decode


class Entry(Struct, frozen=True, gc=False):
    """What one request leaves: its row and a row per attempt, in the order of the columns that the reader wants."""

    request: Row
    attempts: tuple[Row, ...] = ()


class Columns(Struct, frozen=True):
    """The names of the cells of a request and of an attempt."""

    requests: tuple[str, ...]
    attempts: tuple[str, ...]


def frame(kind: int, payload: bytes) -> bytes:
    """Return a record's bytes."""
    return _FRAME.pack(len(payload), zlib.crc32(payload, kind), kind) + payload


def encode_head(columns: Columns) -> bytes:
    """Return the first record of a segment."""
    return frame(HEAD, _encode((columns.requests, columns.attempts)))


def encode_entry(request: Row, attempts: tuple[Row, ...]) -> bytes:
    """Return the payload of a `CLOSE`; raises `ValueError` or `TypeError` where a cell cannot be written."""
    payload = _encode((request, attempts))
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError("a usage record is too long")
    return payload


def encode_open(cells: Row) -> bytes:
    """Return the payload of an `OPEN`."""
    return _encode(cells)


class Reordering:
    """Puts the cells of a segment that was perhaps written by another release in the order that this one wants."""

    def __init__(self, found: Columns, wanted: Columns) -> None:
        self._requests = _places(found.requests, wanted.requests)
        self._attempts = _places(found.attempts, wanted.attempts)
        self._found, self._wanted = found, wanted

    def fits(self, found: Columns) -> bool:
        """Whether it is the one for a segment with these columns."""
        return self._found == found

    def entry(self, payload: bytes) -> Entry:
        """Return a `CLOSE`."""
        request, attempts = _decode_entry(payload)
        if self._found == self._wanted:
            return Entry(request, attempts)  # type: ignore[arg-type]  # MessagePack holds nothing but cells
        return Entry(_reordered(request, self._requests), tuple(_reordered(row, self._attempts) for row in attempts))

    def request_id(self, payload: bytes) -> str:
        """Return whose a `CLOSE` is, as cheaply as can be."""
        if self._found.requests[0] == "id":
            return _decode_id(payload)[0].id
        return str(self.entry(payload).request[self._wanted.requests.index("id")])

    def opened(self, payload: bytes) -> Row:
        """Return an `OPEN`."""
        return _reordered(_decode_open(payload), self._requests)


def _places(found: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return where each wanted cell is, -1 for nowhere; None where the order is the same."""
    if found == wanted:
        return None
    return tuple(found.index(name) if name in found else -1 for name in wanted)


def _reordered(cells: tuple[object, ...], places: tuple[int, ...] | None) -> Row:
    row: Row = cells  # type: ignore[assignment]  # MessagePack holds nothing but cells
    if places is None:
        return row
    return tuple(row[place] if 0 <= place < len(row) else None for place in places)


class Record(Struct, frozen=True, gc=False):
    """One record and the place in the file behind it."""

    kind: int
    payload: bytes
    end: int


def read_records(fd: int, begin: int, end: int) -> Iterator[Record]:
    """Yield the whole records between two places of a file; the first that is torn or damaged ends it."""
    data, base, place = b"", begin, 0
    while True:
        found = _record_at(data, place, base)
        if found is not None:
            yield found
            place = found.end - base
            continue
        base, rest = base + place, len(data) - place
        if base + rest >= end or rest >= MAX_PAYLOAD_BYTES + _FRAME.size:
            return
        data = os.pread(fd, min(max(_READ_BYTES, rest * 2), end - base), base)
        place = 0
        if len(data) <= rest:
            return


def _record_at(data: bytes, place: int, base: int) -> Record | None:
    if place + _FRAME.size > len(data):
        return None
    length, checksum, kind = _FRAME.unpack_from(data, place)
    begin = place + _FRAME.size
    if length > MAX_PAYLOAD_BYTES or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    return Record(kind, payload, base + begin + length) if zlib.crc32(payload, kind) == checksum else None


def read_columns(fd: int, end: int) -> tuple[Columns, int] | None:
    """Return the columns of a segment and the place behind its head; None where it has no whole head."""
    first = next(read_records(fd, 0, end), None)
    if first is None or first.kind != HEAD:
        return None
    try:
        return Columns(*_decode_head(first.payload)), first.end
    except msgspec.DecodeError:
        return None


def segment_paths(folder: Path) -> list[Path]:
    """Return a folder's segments, the oldest first."""
    return sorted(folder.glob("*.segment"))
