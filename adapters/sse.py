"""Server-sent events, incrementally from bytes; knows no provider's payloads.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html, and what servers make of it: LF, CRLF or CR,
`data:` with or without a space, several `data:` lines, comments, a byte order mark, no blank line after the last event,
one JSON document in the place of the stream, most often an error under status 200: it is read as the one event.
"""

from codecs import BOM_UTF8
from typing import Final

from msgspec import Struct

from adapters.errors import ErrorKind, ProviderError

MAX_EVENT_BYTES: Final = 32 * 1024 * 1024


class Event(Struct, frozen=True, gc=False):
    """One event: its name (`b""` where none is given) and its data lines joined with LF."""

    name: bytes
    data: bytes


class SseParser:
    """Splits a byte stream at event boundaries, wherever the reads cut it."""

    __slots__ = ("_buffer", "_is_document", "_last_was_cr", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_document = False
        self._last_was_cr = False
        self._start: bytes | None = b""  # what may be the beginning of a byte order mark

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; raises `ProviderError` for an event beyond `MAX_EVENT_BYTES`."""
        if self._start is not None:
            data = self._without_mark(data)
        if not data:
            return []
        if self._is_document:
            return self._keep(data)
        if self._last_was_cr or data.find(b"\r") >= 0:  # for bytes, `in` costs twice as much
            data = self._to_lf(data)
        if not self._buffer and data.endswith(b"\n\n"):
            return _parse_blocks(data[:-2].split(b"\n\n"))
        return self._feed_slowly(data)

    def flush(self) -> list[Event]:
        """Return the event that the end of the stream completes, if any."""
        rest = bytes(self._buffer) + (self._start or b"")
        self._buffer.clear()
        if self._is_document:
            return [Event(b"", rest)]
        return _parse_blocks([rest])

    def _without_mark(self, data: bytes) -> bytes:
        data = (self._start or b"") + data
        if BOM_UTF8.startswith(data):
            self._start = data
            return b""
        self._start = None
        data = data.removeprefix(BOM_UTF8)
        self._is_document = data.startswith((b"{", b"["))  # no field of an event does
        return data

    def _keep(self, data: bytes) -> list[Event]:
        self._buffer += data
        if len(self._buffer) > MAX_EVENT_BYTES:
            raise _too_large()
        return []

    def _to_lf(self, data: bytes) -> bytes:
        if self._last_was_cr and data.startswith(b"\n"):
            data = data[1:]  # the CR before it has ended the line
        self._last_was_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _feed_slowly(self, data: bytes) -> list[Event]:
        buffer = self._buffer
        searched = max(0, len(buffer) - 1)
        buffer += data
        end = buffer.rfind(b"\n\n", searched)
        if end < 0:
            if len(buffer) > MAX_EVENT_BYTES:
                raise _too_large()
            return []
        blocks = bytes(buffer[:end]).split(b"\n\n")
        del buffer[: end + 2]
        return _parse_blocks(blocks)


def _parse_blocks(blocks: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for block in blocks:
        if block.startswith(b"data: ") and block.find(b"\n") < 0:
            events.append(Event(b"", block[6:]))
        elif block and (event := _parse_lines(block)) is not None:
            events.append(event)
    return events


def _parse_lines(block: bytes) -> Event | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value[1:] if value.startswith(b" ") else value)
        elif field == b"event":
            name = value.strip()
    return Event(name, b"\n".join(data)) if data else None


def _too_large() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent an event that is too large.")
