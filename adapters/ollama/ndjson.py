"""Lines of JSON, incrementally from bytes; knows no line's payload.

Format: https://github.com/ollama/ollama/blob/main/docs/api.md: one JSON document per line, ended by LF (CRLF is taken).
"""

from typing import Final

from adapters.errors import ErrorKind, ProviderError
from adapters.sse import Event

MAX_LINE_BYTES: Final = 32 * 1024 * 1024


class LineParser:
    """Splits a byte stream into events without names, wherever it is cut; see `adapters.exchange.EventParser`."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Return the lines that `data` completes; raises `ProviderError` for a line beyond `MAX_LINE_BYTES`."""
        if not self._buffer and data.endswith(b"\n"):
            return _events(data.split(b"\n"))
        buffer = self._buffer
        searched = len(buffer)
        buffer += data
        end = buffer.rfind(b"\n", searched)
        if end < 0:
            if len(buffer) > MAX_LINE_BYTES:
                raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent a line that is too large.")
            return []
        lines = bytes(buffer[:end]).split(b"\n")
        del buffer[: end + 1]
        return _events(lines)

    def flush(self) -> list[Event]:
        """Return the line that the end of the stream completes, if any."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return _events([rest])


def _events(lines: list[bytes]) -> list[Event]:
    return [Event(b"", text) for line in lines if (text := line.strip())]
