"""Pooled HTTP/1.1 client on asyncio and httptools; knows no provider.

Why our own: decision record 0006. One `Connection` carries one `Exchange` at a time; the exchange owns what has been
received, so a connection whose answer is complete is reusable while its last bytes are still being read.
"""

import asyncio
import ssl
import zlib
from collections import deque
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import httptools
from typing_extensions import override

from adapters.errors import ErrorKind, ProviderError
from adapters.transport import MAX_RESPONSE_BYTES, Request, Transport, UpstreamResponse

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BUFFERED_BYTES: Final = 256 * 1024
MAX_INFLATED_BYTES: Final = 4 * 1024 * 1024
JOIN_BODY_BELOW_BYTES: Final = 64 * 1024
WATCH_INTERVAL_S: Final = 0.1
DRAIN_S: Final = 1.0


class Origin(NamedTuple):
    """Where connections of one pool go."""

    host: str
    port: int
    tls: bool


class Inflate(Protocol):
    """What `zlib.decompressobj` returns."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that did not fit the last call's `max_length`."""
        ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Return what `data` inflates to, at most `max_length` bytes of it."""
        ...


@lru_cache(maxsize=4096)
def split_url(url: str) -> tuple[Origin, bytes, bytes]:
    """Return the origin, the `Host` header and the request target (path and query) of an absolute URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ProviderError(ErrorKind.CONNECTION, "The provider's base URL must be an absolute http(s) URL.")
    tls = parts.scheme == "https"
    target = parts.path or "/"
    if parts.query:
        target = f"{target}?{parts.query}"
    origin = Origin(parts.hostname, parts.port or (443 if tls else 80), tls)
    try:
        return origin, parts.netloc.rpartition("@")[2].encode("ascii"), target.encode("ascii")
    except UnicodeEncodeError:
        raise ProviderError(ErrorKind.CONNECTION, "The provider's base URL must be ASCII.") from None


class Exchange(UpstreamResponse):
    """One request's answer as it arrives."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_connection",
        "_discard",
        "_head_bytes",
        "_inflate",
        "_waiter",
        "complete",
        "error",
        "first_byte_seen",
        "head_complete",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers = {}
        self.head_complete = False
        self.first_byte_seen = False
        self.complete = False
        self.error: ProviderError | None = None
        self._connection = connection
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._discard = False
        self._head_bytes = 0
        self._inflate: Inflate | None = None
        self._waiter: asyncio.Future[None] | None = None

    # --- called by the connection

    def add_header(self, name: bytes, value: bytes) -> None:
        """Take one header line."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's response head is too large.")
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def end_head(self, status: int) -> None:
        """Take the end of the head."""
        self.status = status
        encoding = self.headers.get("content-encoding", "identity")
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
            data = self._inflate_piece(data)
            if not data:
                return
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered > MAX_BUFFERED_BYTES:
            self._connection.pause_reading()
        self.wake()

    def _inflate_piece(self, data: bytes) -> bytes:
        assert self._inflate is not None
        try:
            inflated = self._inflate.decompress(data, MAX_INFLATED_BYTES)
        except zlib.error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's compressed response is damaged.") from None
        if self._inflate.unconsumed_tail:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's compressed response is too large.")
        return inflated

    def end(self) -> None:
        """Take the regular end of the body."""
        self.complete = True
        self.wake()

    def fail(self, error: ProviderError) -> None:
        """Take the irregular end; bytes that arrived before stay readable."""
        if not self.complete and self.error is None:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """Let the waiting reader go on."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # --- called by the owner

    async def wait(self) -> None:
        """Wait for the next change."""
        self._waiter = self._connection.loop.create_future()
        await self._waiter

    async def wait_head(self) -> None:
        """Wait until the head has arrived."""
        while not self.head_complete:
            if self.error is not None:
                raise self.error
            await self.wait()

    @override
    async def read_chunk(self) -> bytes:
        while not self._chunks:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            await self.wait()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        if self._buffered > MAX_BUFFERED_BYTES and not self.complete:
            self._connection.resume_reading()
        self._buffered = 0
        return data

    @override
    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
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
        self._connection.release(self)

    @override
    def drain(self) -> None:
        self._discard = True
        self._chunks.clear()
        self._connection.drain(self)


class Connection(asyncio.Protocol):
    """One TCP or TLS connection, in use by at most one exchange."""

    def __init__(self, pool: "Http1Transport", origin: Origin) -> None:
        self.loop = asyncio.get_running_loop()
        self.origin = origin
        self.closed = False
        self.used = False
        self.idle_since = 0.0
        self.expires_at = 0.0
        self._pool = pool
        self._idle_s = 0.0
        self._deadline = 0.0
        self._paused = False
        self._exchange: Exchange | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport | None = None

    # --- asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    @override
    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._parser is None:
            self.close()  # nobody asked
            return
        exchange.first_byte_seen = True
        self.expires_at = min(self.loop.time() + self._idle_s, self._deadline)
        try:
            self._parser.feed_data(data)
        except ProviderError as error:
            self._fail(error)
        except httptools.HttpParserError as error:
            cause = error.__context__  # what a callback raised
            invalid = ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent invalid HTTP.")
            self._fail(cause if isinstance(cause, ProviderError) else invalid)

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        exchange = self._exchange
        self._pool.forget(self)
        if exchange is None:
            return
        self._exchange = None
        framed = "content-length" in exchange.headers or "transfer-encoding" in exchange.headers
        if exchange.head_complete and not framed and exc is None:
            exchange.end()
        else:
            exchange.fail(ProviderError(ErrorKind.CONNECTION, "The provider closed the connection too early."))
        self._parser = None

    # --- httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header line."""
        if self._exchange is not None:
            self._exchange.add_header(name, value)

    def on_headers_complete(self) -> None:
        """Take the end of a head; interim (1xx) answers are skipped."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if self._exchange is None:
            return
        if status < 200:
            self._exchange.headers.clear()
            return
        self._exchange.end_head(status)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._exchange is not None:
            self._exchange.add_body(data)

    def on_message_complete(self) -> None:
        """Take the end of the answer and become reusable."""
        exchange = self._exchange
        if exchange is None or not exchange.head_complete or self._parser is None:
            return
        keep = self._parser.should_keep_alive()
        self._exchange = None
        exchange.end()
        if self._paused:
            self.resume_reading()
        if keep and not self.closed:
            self._pool.put_idle(self)
        else:
            self.close()

    # --- use

    def start(self, request: Request, head: bytes) -> Exchange:
        """Send a request whose head is `head`."""
        assert self._transport is not None
        exchange = Exchange(self)
        self._exchange = exchange
        self._idle_s = request.timeouts.idle_s
        self._deadline = request.deadline
        self.expires_at = min(self.loop.time() + request.timeouts.first_byte_s, request.deadline)
        self._pool.watch(self)
        if len(request.body) < JOIN_BODY_BELOW_BYTES:
            self._transport.write(head + request.body)
        else:
            self._transport.write(head)
            self._transport.write(request.body)
        return exchange

    def release(self, exchange: Exchange) -> None:
        """End an exchange early; a finished one has given the connection back already."""
        if self._exchange is exchange:
            self._exchange = None
            self._pool.forget(self)
            self.close()

    def drain(self, exchange: Exchange) -> None:
        """Await the end of an exchange whose rest nobody wants, for at most `DRAIN_S`."""
        if self._exchange is exchange:
            self.resume_reading()
            self._idle_s = DRAIN_S
            self._deadline = self.expires_at = self.loop.time() + DRAIN_S

    def expire(self) -> None:
        """End the exchange because a bound on time was reached."""
        self._fail(ProviderError(ErrorKind.TIMEOUT, "The provider did not answer in time."))

    def _fail(self, error: ProviderError) -> None:
        exchange = self._exchange
        self._exchange = None
        self._pool.forget(self)
        self.close()
        if exchange is not None:
            exchange.fail(error)

    def close(self) -> None:
        """Close at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Stop taking bytes until the owner has caught up."""
        if not self._paused and self._transport is not None and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()


class Http1Transport(Transport):
    """The pool. `max_connections` bounds all connections, `max_idle` the idle ones per origin."""

    def __init__(self, *, max_connections: int = 4096, max_idle: int = 256, keepalive_s: float = 30.0) -> None:
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._keepalive_s = keepalive_s
        self._idle: dict[Origin, deque[Connection]] = {}
        self._active: set[Connection] = set()
        self._connecting = 0
        self._watcher: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    @override
    async def send(self, request: Request) -> UpstreamResponse:
        origin, host, target = split_url(request.url)
        head = _encode_head(request, host, target)
        while True:
            connection = self._take_idle(origin) or await self._connect(origin, request)
            reused, connection.used = connection.used, True
            exchange = connection.start(request, head)
            try:
                await exchange.wait_head()
            except ProviderError as error:
                # A kept connection that closes before the first byte was closed by the server while idle.
                if reused and error.kind is ErrorKind.CONNECTION and not exchange.first_byte_seen:
                    continue
                raise
            except asyncio.CancelledError:
                connection.release(exchange)
                raise
            return exchange

    @override
    async def aclose(self) -> None:
        for connection in [*self._active, *(c for idle in self._idle.values() for c in idle)]:
            connection.close()
        self._idle.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    # --- called by connections

    def watch(self, connection: Connection) -> None:
        """Hold a connection in use to its bounds on time."""
        self._active.add(connection)
        if self._watcher is None:
            self._watcher = connection.loop.call_later(WATCH_INTERVAL_S, self._check_time, connection.loop)

    def put_idle(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        self._active.discard(connection)
        idle = self._idle.setdefault(connection.origin, deque())
        if len(idle) >= self._max_idle:
            connection.close()
            return
        connection.idle_since = connection.loop.time()
        idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closing."""
        self._active.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)

    # --- inside

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, origin: Origin, request: Request) -> Connection:
        if len(self._active) + self._connecting >= self._max_connections:
            raise ProviderError(ErrorKind.OVERLOADED, "Too many requests to providers are open.")
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            async with asyncio.timeout_at(min(loop.time() + request.timeouts.connect_s, request.deadline)):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, origin),
                    origin.host,
                    origin.port,
                    ssl=self._tls_context() if origin.tls else None,
                )
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, "The provider could not be reached in time.") from None
        except (OSError, ssl.SSLError):
            raise ProviderError(ErrorKind.CONNECTION, "The provider could not be reached.") from None
        finally:
            self._connecting -= 1
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _check_time(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [c for c in self._active if c.expires_at <= now]:
            connection.expire()
        for idle in self._idle.values():
            while idle and idle[0].idle_since + self._keepalive_s <= now:
                idle.popleft().close()
        if self._active or any(self._idle.values()):
            self._watcher = loop.call_later(WATCH_INTERVAL_S, self._check_time, loop)
        else:
            self._watcher = None


def _encode_head(request: Request, host: bytes, target: bytes) -> bytes:
    lines = [
        b"%b %b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\ncontent-length: %d\r\n"
        % (request.method.encode("ascii"), target, host, len(request.body))
    ]
    for name, value in request.headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ProviderError(ErrorKind.CREDENTIALS, f"The header {name.decode('latin-1')} has an illegal character.")
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"\r\n")
    return b"".join(lines)
