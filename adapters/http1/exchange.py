"""One request's answer as it arrives, between a connection that fills it and an owner who reads it."""

import asyncio
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from typing_extensions import override

from adapters.errors import ErrorKind, ProviderError
from adapters.transport import MAX_RESPONSE_BYTES, UpstreamResponse

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BUFFERED_BYTES: Final = 256 * 1024
MAX_INFLATED_BYTES: Final = 4 * 1024 * 1024


class Line(Protocol):
    """What an exchange needs of its connection."""

    loop: asyncio.AbstractEventLoop

    def pause_reading(self) -> None:
        """Stop taking bytes."""
        ...

    def resume_reading(self) -> None:
        """Take bytes again."""
        ...

    def release(self, exchange: "Exchange") -> None:
        """End an exchange early."""
        ...

    def drain(self, exchange: "Exchange") -> None:
        """Await the end of an exchange whose rest nobody wants."""
        ...


class Inflate(Protocol):
    """What `zlib.decompressobj` returns."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was seen."""
        ...

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that did not fit the last call's `max_length`."""
        ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Return what `data` inflates to, at most `max_length` bytes of it."""
        ...


class Exchange(UpstreamResponse):
    """One request's answer. Bytes that arrived before a failure stay readable, then the failure is raised."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_discard",
        "_head_bytes",
        "_inflate",
        "_inflating",
        "_line",
        "_take",
        "_waiter",
        "complete",
        "error",
        "first_byte_seen",
        "head_complete",
        "headers",
        "status",
    )

    def __init__(self, line: Line) -> None:
        self.status = 0
        self.headers = {}
        self.head_complete = False
        self.first_byte_seen = False
        self.complete = False
        self.error: ProviderError | None = None
        self._line = line
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._discard = False
        self._head_bytes = 0
        self._inflate: Inflate | None = None
        self._inflating = False
        self._take: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[bool] | None = None

    # --- called by the connection

    @property
    def is_framed(self) -> bool:
        """Whether the head says how the body ends; otherwise the end of the connection is its end."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    def add_header(self, name: bytes, value: bytes) -> None:
        """Take one header line; trailers, after the body, are left out."""
        if self.head_complete:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's response head is too large.")
        key, text, headers = _lowered(name), value.decode("latin-1"), self.headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def end_head(self, status: int) -> None:
        """Take the end of the head."""
        self.status = status
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"gzip", "x-gzip", "deflate"}:
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        elif encoding not in {"identity", ""}:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider used a content encoding that was not asked for.")
        self.head_complete = True
        self.wake()

    def add_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._discard:
            return
        if self._inflate is not None:
            self._inflating = True
            data = _inflate_piece(self._inflate, data)
            if not data:
                return
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered > MAX_BUFFERED_BYTES:
            self._line.pause_reading()
        if self._waiter is not None and self._take is None:
            self.wake()

    def end(self) -> None:
        """Take the regular end of the body."""
        if self._inflate is not None and self._inflating and not self._inflate.eof:
            self.fail(_damaged())
            return
        self.complete = True
        self.wake()

    def fail(self, error: ProviderError) -> None:
        """Take the irregular end."""
        if not self.complete and self.error is None:
            self.error = error
            self.wake()

    def arrived(self) -> None:
        """Hand over what one read has brought; once it is parsed, so that all of it is handed over together."""
        take, waiter = self._take, self._waiter
        if take is None or not self._chunks:
            return
        try:
            goes_on = take(self._taken())
        except BaseException as error:  # noqa: BLE001 - raised where `deliver` is awaited
            goes_on = False
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
        if not goes_on:
            self._take = None
            self.wake(more=False)

    def wake(self, *, more: bool = True) -> None:
        """Let the waiting reader go on; `more` tells it whether it wants more."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(more)

    # --- called by the owner

    async def wait(self) -> bool:
        """Wait for the next change; returns what `wake` says."""
        self._waiter = self._line.loop.create_future()
        return await self._waiter

    async def wait_head(self) -> None:
        """Wait until the head has arrived."""
        while not self.head_complete:
            if self.error is not None:
                raise self.error
            self._waiter = self._line.loop.create_future()
            await self._waiter

    @override
    async def read_chunk(self) -> bytes:
        while not self._chunks:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            await self.wait()
        return self._taken()

    @override
    async def deliver(self, take: Callable[[bytes], bool]) -> bool:
        while True:
            if self._chunks and not take(self._taken()):
                return False
            if self.error is not None:
                raise self.error
            if self.complete:
                return True
            self._take = take
            try:
                if not await self.wait():
                    return False
            finally:
                self._take = None

    def _taken(self) -> bytes:
        """Return all that has arrived."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        if self._buffered > MAX_BUFFERED_BYTES and not self.complete:
            self._line.resume_reading()
        self._buffered = 0
        return data

    @override
    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
        if self.complete and self._buffered <= limit:  # it came with its head
            return self._taken()
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read_chunk():
            size += len(piece)
            if size > limit:
                raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's response is too large.")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @override
    async def aclose(self) -> None:
        self._line.release(self)

    @override
    def drain(self) -> None:
        self._discard = True
        self._inflating = False
        self._chunks.clear()
        self._line.drain(self)


@lru_cache(maxsize=512)
def _lowered(name: bytes) -> str:
    """Return a header's name as it is looked for; providers send the same twenty again and again."""
    return name.decode("latin-1").lower()


def _inflate_piece(inflate: Inflate, data: bytes) -> bytes:
    try:
        inflated = inflate.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        raise _damaged() from None
    if inflate.unconsumed_tail or len(inflated) >= MAX_INFLATED_BYTES:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's compressed response is too large.")
    return inflated


def _damaged() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider's compressed response is damaged.")
