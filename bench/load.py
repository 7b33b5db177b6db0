"""The load: keep-alive connections that send one request after another and verify every answer; knows no gateway."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Literal, cast

from msgspec import Struct

from bench.upstream import CHUNKS

Kind = Literal["plain", "paced", "burst", "slow"]
ANSWER_TIMEOUT_S: Final = 60.0
_PROMPT: Final = "word " * 170


class BadAnswerError(RuntimeError):
    """An answer that is not what the upstream said; the message holds its beginning."""


class Target(Struct, frozen=True, kw_only=True):
    """Where and how a gateway is asked."""

    port: int
    path: str = "/v1/chat/completions"
    model: str = "gpt"
    headers: tuple[tuple[str, str], ...] = ()


def request(target: Target, kind: Kind) -> bytes:
    """Return a request of about 1 kB."""
    return framed(target, body(target, kind))


def body(target: Target, kind: Kind) -> bytes:
    """Return its body."""
    stream = "" if kind == "plain" else ',"stream":true,"stream_options":{"include_usage":true}'
    return (
        f'{{"model":"{target.model}","messages":[{{"role":"user","content":"-{kind}- {_PROMPT}"}}]{stream}}}'.encode()
    )


def framed(target: Target, body: bytes) -> bytes:
    """Return the bytes of a POST request."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in target.headers)
    head = (
        f"POST {target.path} HTTP/1.1\r\nhost: 127.0.0.1:{target.port}\r\n{headers}"
        f"content-type: application/json\r\naccept: */*\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One client connection with at most one request under way."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._waiter: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request under way."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(BadAnswerError(f"connection closed: {error}; {bytes(self._data[:300])!r}"))

    def data_received(self, data: bytes) -> None:
        """Collect, and hand over the answer once it is whole."""
        self._data += data
        body = whole_body(self._data)
        if body is not None and self._waiter is not None and not self._waiter.done():
            if not self._data.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                self._waiter.set_exception(BadAnswerError(repr(bytes(self._data[:400]))))
            else:
                self._waiter.set_result(body)
            self._data.clear()

    async def ask(self, data: bytes) -> bytes:
        """Send a request and return the answer's body without framing; raises `BadAnswerError`."""
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return await self._waiter


def whole_body(data: bytearray) -> bytes | None:
    """Return the body of a response that is complete, else None."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(data[:end]).lower()
    mark = head.find(b"content-length:")
    if mark >= 0:
        start = end + 4
        length = int(head[mark + 15 :].split(b"\r\n", 1)[0])
        return bytes(data[start:]) if len(data) - start >= length else None
    if not data.endswith(b"\r\n0\r\n\r\n"):
        return None
    return dechunked(bytes(data[end + 4 :]))


def dechunked(data: bytes) -> bytes:
    """Return a chunked body without its framing."""
    parts: list[bytes] = []
    position = 0
    while True:
        line = data.index(b"\r\n", position)
        size = int(data[position:line].split(b";", 1)[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[line + 2 : line + 2 + size])
        position = line + 4 + size


def verify(kind: Kind, body: bytes) -> None:
    """Raise `BadAnswerError` unless the body says what the upstream said."""
    whole_stream = body.count(b'"token "') == CHUNKS - 2 and b"[DONE]" in body
    good = b"x" * 700 in body if kind == "plain" else whole_stream
    if not good:
        raise BadAnswerError(f"{body.count(b'token ')} tokens in {body[:300]!r}")


async def connect(target: Target) -> Connection:
    """Open a connection."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", target.port)
    return connection


async def run(target: Target, kind: Kind, *, connections: int, seconds: float) -> int:
    """Ask for `seconds` on so many connections; returns how many answers came, all of them right."""
    until = time.perf_counter() + seconds
    return await _run(target, kind, connections, lambda: time.perf_counter() < until)


async def run_once(target: Target, kind: Kind, *, connections: int) -> int:
    """Ask once on each of so many connections."""
    left = connections

    def more() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    return await _run(target, kind, connections, more)


async def _run(target: Target, kind: Kind, connections: int, more: Callable[[], bool]) -> int:
    data = request(target, kind)

    async def one() -> int:
        connection = await connect(target)
        count = 0
        try:
            while more():
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    verify(kind, await connection.ask(data))
                count += 1
        finally:
            connection.transport.close()
        return count

    return sum(await asyncio.gather(*(one() for _ in range(connections))))
