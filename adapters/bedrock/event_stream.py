"""AWS's binary event stream, incrementally from bytes; knows no event's payload.

Format: https://smithy.io/2.0/aws/amazon-eventstream.html, checked 2026-11-24. A frame is: total length and length of
the headers (32 bits each, big-endian), CRC-32 of these eight bytes, headers, payload, CRC-32 of all before it.
"""

import struct
from collections.abc import Iterator
from typing import Final
from zlib import crc32

import msgspec

from adapters.errors import ErrorKind, ProviderError
from adapters.sse import Event

MAX_FRAME_BYTES: Final = 24 * 1024 * 1024
EXCEPTION: Final = b"exception:"
"""Begins the name of an event that ends the stream with an error; the exception's name follows."""
_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_TEXT: Final = 7
_FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_SIZED: Final = frozenset({6, _TEXT})
_ENCODER: Final = msgspec.json.Encoder()


class EventStreamParser:
    """Splits a byte stream into events, wherever the reads cut it; a broken frame is a `BAD_RESPONSE`."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that `data` completes; those before a broken frame come first."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _PRELUDE.size:
            total, header_bytes, checksum = _PRELUDE.unpack_from(buffer)
            if crc32(buffer[:8]) != checksum:
                raise _broken()
            if not _PRELUDE.size + header_bytes + _CRC.size <= total <= MAX_FRAME_BYTES:
                raise _broken()
            if len(buffer) < total:
                return
            frame = bytes(buffer[:total])
            del buffer[:total]
            yield _parse(frame, header_bytes)

    def flush(self) -> Iterator[Event]:
        """Drop what the end of the stream has cut: whether the answer is whole is for its reader to say."""
        self._buffer.clear()
        return iter(())


def _parse(frame: bytes, header_bytes: int) -> Event:
    end = len(frame) - _CRC.size
    if crc32(memoryview(frame)[:end]) != _CRC.unpack_from(frame, end)[0]:
        raise _broken()
    start = _PRELUDE.size + header_bytes
    headers = _headers(frame[_PRELUDE.size : start])
    payload = frame[start:end]
    match headers.get(b":message-type"):
        case b"exception":
            return Event(EXCEPTION + headers.get(b":exception-type", b""), payload)
        case b"error":
            message = headers.get(b":error-message", b"").decode("utf-8", "replace")
            return Event(EXCEPTION + headers.get(b":error-code", b""), _ENCODER.encode({"message": message}))
        case _:
            return Event(headers.get(b":event-type", b""), payload)


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Return the headers that are texts; others are stepped over."""
    found: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        name_end = position + 1 + data[position]
        if name_end >= len(data):
            raise _broken()
        name, kind, position = data[position + 1 : name_end], data[name_end], name_end + 1
        if kind in _SIZED:
            size, position = int.from_bytes(data[position : position + 2], "big"), position + 2
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise _broken()
        if position + size > len(data):
            raise _broken()
        if kind == _TEXT:
            found[name] = data[position : position + size]
        position += size
    return found


def _broken() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent a broken event stream.")
