"""One TCP or TLS connection: sends requests, parses answers, keeps the bounds; knows nothing of pooling."""

import asyncio
from typing import Final, Protocol, cast

import httptools
from typing_extensions import override

from adapters.errors import ErrorKind, ProviderError
from adapters.http1.exchange import MAX_HEAD_BYTES, Exchange
from adapters.http1.request import Origin
from adapters.transport import Request

JOIN_BODY_BELOW_BYTES: Final = 64 * 1024
UPLOAD_PIECE_BYTES: Final = 256 * 1024
DRAIN_S: Final = 1.0


class Pool(Protocol):
    """What a connection needs of its pool."""

    def watch(self, connection: "Connection") -> None:
        """Hold a connection in use to its bounds on time."""
        ...

    def put_idle(self, connection: "Connection") -> None:
        """Keep a connection for the next request."""
        ...

    def forget(self, connection: "Connection") -> None:
        """Drop a connection that is closing."""
        ...


class Connection(asyncio.Protocol):
    """One connection, in use by at most one exchange. `expires_at` and `idle_since` are in loop time."""

    _transport: asyncio.Transport

    def __init__(self, pool: Pool, origin: Origin) -> None:
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
        self._bytes_without_body = 0
        self._upload = memoryview(b"")
        self._upload_paused = False

    # --- asyncio.Protocol

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    @override
    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._parser is None:
            self.close()  # nobody asked
            return
        exchange.first_byte_seen = True
        self.expires_at = min(self.loop.time() + self._idle_s, self._deadline)
        self._bytes_without_body += len(data)
        try:
            self._parser.feed_data(data)
        except ProviderError as error:
            self._fail(error)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__  # what a callback raised
            invalid = ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent invalid HTTP.")
            self._fail(cause if isinstance(cause, ProviderError) else invalid)
        else:
            if self._bytes_without_body > MAX_HEAD_BYTES and self._exchange is exchange:
                self._fail(ProviderError(ErrorKind.BAD_RESPONSE, "The provider's response head is too large."))
        exchange.arrived()

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        exchange = self._exchange
        self._exchange = None
        self._parser = None
        self._upload = memoryview(b"")
        self._pool.forget(self)
        if exchange is None:
            return
        if exchange.head_complete and not exchange.is_framed and exc is None:
            exchange.end()
        else:
            exchange.fail(ProviderError(ErrorKind.CONNECTION, "The provider closed the connection too early."))

    @override
    def pause_writing(self) -> None:
        self._upload_paused = True

    @override
    def resume_writing(self) -> None:
        self._upload_paused = False
        self._upload_more()

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody asked for: it would pass for the next request's."""
        if self._exchange is None:
            self._pool.forget(self)
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header line."""
        if self._exchange is not None:
            self._exchange.add_header(name, value)

    def on_headers_complete(self) -> None:
        """Take the end of a head; interim (1xx) answers are skipped."""
        if self._exchange is None or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._exchange.headers.clear()
        else:
            self._exchange.end_head(status)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._bytes_without_body = 0
        if self._exchange is not None:
            self._exchange.add_body(data)

    def on_message_complete(self) -> None:
        """Take the end of the answer and become reusable, unless the request is still on its way."""
        exchange = self._exchange
        if exchange is None or not exchange.head_complete or self._parser is None:
            return
        keep = self._parser.should_keep_alive() and not self._upload and not self._transport.get_write_buffer_size()
        self._exchange = None
        exchange.end()
        self.resume_reading()
        if keep and not self.closed:
            self._pool.put_idle(self)
        else:
            self._pool.forget(self)
            self.close()

    # --- use

    @property
    def is_open(self) -> bool:
        """Whether a request can still be sent."""
        return not self.closed and not self._transport.is_closing()

    def start(self, request: Request, head: bytes) -> Exchange:
        """Send a request whose head is `head`."""
        exchange = Exchange(self)
        self._exchange = exchange
        self._bytes_without_body = 0
        self._idle_s = request.timeouts.idle_s
        self._deadline = request.deadline
        self.expires_at = min(self.loop.time() + request.timeouts.first_byte_s, request.deadline)
        self._pool.watch(self)
        if len(request.body) < JOIN_BODY_BELOW_BYTES:
            self._transport.write(head + request.body)
        else:
            self._transport.write(head)
            self._upload = memoryview(request.body)
            self._upload_more()
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
            self._deadline = self.expires_at = self.loop.time() + DRAIN_S

    def expire(self) -> None:
        """End the exchange because a bound on time was reached."""
        self._fail(ProviderError(ErrorKind.TIMEOUT, "The provider did not answer in time."))

    def close(self) -> None:
        """Close at once."""
        self.closed = True
        self._upload = memoryview(b"")
        self._transport.abort()

    def pause_reading(self) -> None:
        """Stop taking bytes until the owner has caught up; a slow owner is not the provider's silence."""
        if not self._paused and not self.closed:
            self._paused = True
            self.expires_at = self._deadline
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._paused and not self.closed:
            self._paused = False
            self.expires_at = min(self.loop.time() + self._idle_s, self._deadline)
            self._transport.resume_reading()

    def _fail(self, error: ProviderError) -> None:
        exchange = self._exchange
        self._exchange = None
        self._pool.forget(self)
        self.close()
        if exchange is not None:
            exchange.fail(error)

    def _upload_more(self) -> None:
        """Write the rest of a large body piece by piece, as fast as the provider takes it."""
        while self._upload and not self._upload_paused:
            piece, self._upload = self._upload[:UPLOAD_PIECE_BYTES], self._upload[UPLOAD_PIECE_BYTES:]
            self._transport.write(piece)
        if not self._upload:
            self._upload = memoryview(b"")  # an empty piece of the body would keep all of it
