"""A strict HTTP/1.1 server on loopback with full control of the bytes it sends; it must not know any dialect."""

import asyncio
import contextlib
import http
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

import httptools

from upstreams.faults import Fault, Plan
from upstreams.wire import Request

# A mock never needs more; a gateway that sends more is wrong.
MAX_BODY_BYTES = 64 * 1024 * 1024
START_TIMEOUT_S = 10.0
POLL_S = 0.005
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Exchange:
    """One request, what was planned for it and what really went out.

    `events_sent` counts whole events, `bytes_sent` body bytes; the times are time.monotonic() seconds, None until it
    happened. `completed` is True once the whole planned response including its terminator was written.
    """

    def __init__(self, request: Request, plan: Plan) -> None:
        self.request = request
        self.plan = plan
        self.events_sent = 0
        self.bytes_sent = 0
        self.completed = False
        self.client_closed_at: float | None = None


class Connection(asyncio.Protocol):
    """One accepted connection: parses requests strictly and answers them in order."""

    def __init__(self, server: "Server", number: int) -> None:
        self.server = server
        self.number = number
        self.client_closed_at: float | None = None
        self.closed_at: float | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._requests: asyncio.Queue[tuple[Request, bool]] = asyncio.Queue(maxsize=64)
        self._writable = asyncio.Event()
        self._writable.set()
        self._current: Exchange | None = None
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    # -- transport ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("the mock serves TCP only")
        self.transport = transport
        self.socket: socket.socket = transport.get_extra_info("socket")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)
        self.worker = asyncio.get_running_loop().create_task(self._serve())
        self.worker.add_done_callback(self._worker_done)
        self.server.connections.append(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeDecodeError, ValueError) as error:
            self.server.problems.append(f"malformed request: {error}")
            self._reject()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        self._client_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = time.monotonic()
        if not self.transport.is_closing() or exc is not None:
            self._client_closed()
        self._writable.set()
        self.worker.cancel()

    def _client_closed(self) -> None:
        if self.client_closed_at is None:
            self.client_closed_at = time.monotonic()
            if self._current is not None:
                self._current.client_closed_at = self.client_closed_at
        self.worker.cancel()

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self.server.problems.append(f"the mock failed: {error!r}")
            self.transport.abort()

    def _reject(self) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    # -- parser callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", [], bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("ascii").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        names = [name for name, _ in self._headers]
        if names.count("host") != 1:
            raise ValueError("exactly one Host header is required")
        if "content-length" in names and "transfer-encoding" in names:
            raise ValueError("both Content-Length and Transfer-Encoding")
        if ("expect", "100-continue") in self._headers:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            raise ValueError("request body too large for the mock")

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            target=self._target.decode("ascii"),
            headers=tuple(self._headers),
            body=bytes(self._body),
            connection=self.number,
        )
        self._requests.put_nowait((request, self._parser.should_keep_alive()))

    # -- responses ---------------------------------------------------------------------------

    async def _serve(self) -> None:
        keep_alive = True
        idle_limit_s: float | None = None
        while keep_alive:
            try:
                async with asyncio.timeout(idle_limit_s):
                    request, keep_alive = await self._requests.get()
            except TimeoutError:
                break
            exchange = self.server.respond(request)
            self.server.exchanges.append(exchange)
            self._current = exchange
            await self._send(exchange)
            self._current = None
            keep_alive = keep_alive and not exchange.plan.fault.connection_close
            idle_limit_s = exchange.plan.fault.close_idle_after_s
        self.transport.close()

    async def _send(self, exchange: Exchange) -> None:
        fault = exchange.plan.fault
        for status in () if fault.no_response else fault.informational:
            await self._write(informational(status), fault)
        await asyncio.sleep(fault.first_byte_delay_s)
        if fault.no_response:
            self._cut(fault)
        await self._write(response_head(exchange.plan), fault)
        if exchange.request.method != "HEAD":
            await self._send_body(exchange)
        match exchange.plan.ending:
            case "complete":
                if exchange.plan.chunked and exchange.request.method != "HEAD":
                    await self._write(b"0\r\n\r\n", fault)
                exchange.completed = True
            case "stall":
                await asyncio.Event().wait()
            case "cut":
                exchange.completed = fault.close_delimited and exchange.plan.whole
                self._cut(fault)

    def _cut(self, fault: Fault) -> NoReturn:
        """Close the connection now, and end the worker."""
        if fault.cut_with == "rst":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.transport.abort()
        else:
            self.transport.close()
        raise asyncio.CancelledError

    async def _send_body(self, exchange: Exchange) -> None:
        for step in exchange.plan.steps:
            if step.delay_s:
                await asyncio.sleep(step.delay_s)
            framed = b"%x\r\n%b\r\n" % (len(step.data), step.data) if exchange.plan.chunked else step.data
            await self._write(framed, exchange.plan.fault)
            exchange.bytes_sent += len(step.data)
            exchange.events_sent += step.event_done

    async def _write(self, data: bytes, fault: Fault) -> None:
        """One send, or one for each `split_wire` bytes, on the wire before this returns."""
        size = fault.split_wire or len(data)
        for start in range(0, len(data), size):
            self.transport.write(data[start : start + size])
            await self._writable.wait()
            await asyncio.sleep(0)


def reason(status: int) -> str:
    """The reason phrase of a status, a plain word for those that HTTP does not know (529)."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"


def informational(status: int) -> bytes:
    """An interim response."""
    link = "link: </style.css>; rel=preload\r\n" if status == 103 else ""
    return f"HTTP/1.1 {status} {reason(status)}\r\n{link}\r\n".encode()


def response_head(plan: Plan) -> bytes:
    """Status line and headers, framing included."""
    lines = [f"HTTP/1.1 {plan.status} {reason(plan.status)}"]
    lines += [f"{name}: {value}" for name, value in plan.headers]
    if plan.chunked:
        lines.append("transfer-encoding: chunked")
    elif plan.length is not None:
        lines.append(f"content-length: {plan.length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Server:
    """Serves on 127.0.0.1, port 0, in its own thread; use it as a context manager.

    `exchanges`, `connections` and `problems` only grow and may be read from any thread.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.connections: list[Connection] = []
        self.problems: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def respond(self, request: Request) -> Exchange:
        """What to send for a request. Runs on the server's loop and must not block."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Base URL without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Every answered request, oldest first."""
        return [exchange.request for exchange in self.exchanges]

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return sum(connection.closed_at is None for connection in self.connections)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise TimeoutError("the mock server did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and end the thread; harmless twice."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(START_TIMEOUT_S)
            self._thread = None

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            listener = await self._loop.create_server(self._accept, "127.0.0.1", 0)
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        listener.close()
        workers = [connection.worker for connection in self.connections]
        for connection in self.connections:
            connection.worker.cancel()
            connection.transport.abort()
        await asyncio.gather(*workers, return_exceptions=True)

    def _accept(self) -> Connection:
        return Connection(self, len(self.connections))

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Block until the condition holds; TimeoutError otherwise. For synchronous tests."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true within {timeout_s} s")
            time.sleep(POLL_S)

    async def await_for(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """The same without blocking the caller's event loop."""
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 (the condition changes in another thread, no event to wait on)
                await asyncio.sleep(POLL_S)
