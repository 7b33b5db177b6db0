"""One structured line per request at its end, written in batches off the event loop; never a body, token or key."""

import asyncio
import os
import select
import threading
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

FLUSH_S: Final = 0.2
CLOSE_S: Final = 2.0
POLL_MS: Final = 100
MAX_HELD_BYTES: Final = 4 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


class RequestLine(Struct, frozen=True, omit_defaults=True):
    """What is said of one request. Times are in milliseconds."""

    time: str
    request_id: str
    endpoint: str
    status: int
    duration_ms: float
    overhead_ms: float
    ttft_ms: float | None = None
    error_type: str | None = None
    upstream_status: int | None = None
    upstream_request_id: str | None = None
    reason: str | None = None
    org: str | None = None
    token: UUID | None = None
    model: str | None = None
    provider: str | None = None
    deployment: str | None = None
    attempts: int = 0
    streamed: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage_source: str | None = None
    schema_valid: bool | None = None


class RequestLog:
    """Collects lines and writes them to a file descriptor every `FLUSH_S` seconds, as JSON or as `name=value` text.

    A reader that does not keep up loses lines beyond `MAX_HELD_BYTES`, and is told how many; requests never wait.
    """

    def __init__(self, fd: int, *, as_text: bool = False) -> None:
        self._fd = fd
        self._encode = _text if as_text else _encode
        self._lines: list[bytes] = []
        self._held_bytes = 0
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._given_up = threading.Event()

    def put(self, line: RequestLine) -> None:
        """Take one line."""
        data = self._encode(line)
        if self._held_bytes + len(data) > MAX_HELD_BYTES:
            self._lost += 1
            return
        self._lines.append(data)
        self._held_bytes += len(data)
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def aclose(self) -> None:
        """Write what is left, for at most `CLOSE_S`: a reader that has stopped reading stops no shutdown."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        until = asyncio.get_running_loop().time() + CLOSE_S
        while self._writing is not None or self._lines:
            if self._writing is None:
                self._flush()
            if self._writing is not None:
                left_s = until - asyncio.get_running_loop().time()
                _, unfinished = await asyncio.wait([self._writing], timeout=max(0.0, left_s))
                if unfinished:
                    break
                await asyncio.sleep(0)  # the callback of the write comes first
        self._given_up.set()

    def _flush(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, _write_all, self._fd, self._take(), self._given_up)
        self._writing.add_done_callback(self._written)

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._writing = None
        if not future.cancelled():
            future.exception()  # a log that cannot be written stops nothing
        if self._lines and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _take(self) -> list[bytes]:
        lines, self._lines, self._held_bytes = self._lines, [], 0
        if self._lost:
            lines.append(self._encode({"lost_log_lines": self._lost}))
            self._lost = 0
        return lines


def _text(line: RequestLine | dict[str, int]) -> bytes:
    """Return a line for people; what is not known is left out, and odd values are quoted as JSON strings are."""
    values: dict[str, object] = msgspec.to_builtins(line)
    return b" ".join(b"%b=%b" % (name.encode(), _value(value)) for name, value in values.items())


def _value(value: object) -> bytes:
    plain = isinstance(value, str) and value.isprintable() and " " not in value and '"' not in value
    return value.encode() if isinstance(value, str) and plain else _encode(value)


def _write_all(fd: int, lines: list[bytes], given_up: threading.Event) -> None:
    """Write lines, each in one piece with its end; a reader that does not read is waited for until `given_up`."""
    writable = select.poll()
    writable.register(fd, select.POLLOUT)
    for piece in _pieces(lines):
        view = memoryview(piece)
        while view:
            if given_up.is_set():
                return
            if writable.poll(POLL_MS):
                view = view[os.write(fd, view[: select.PIPE_BUF]) :]


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Join lines up to what a pipe takes in one go: more could block, and mix with other workers' lines."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) + 1 > select.PIPE_BUF:
            yield b"\n".join(held) + b"\n"
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    if held:
        yield b"\n".join(held) + b"\n"
