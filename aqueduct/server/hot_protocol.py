"""The server's HTTP protocol with a short way from a request to the operation that answers it; knows no operation.

Measured: the application object around the router, a scope that nobody reads, and a timer and a task to notice that
the client has left are a tenth of a request's CPU (decision record 0016). What is parsed, bounded, timed, pipelined and
drained is as in the classes above: a request that is anything but a `POST` of HTTP/1.1 to a hot path goes their way.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

import httptools
from litestar.types import ASGIApp, HTTPScope, Receive
from msgspec import Struct
from typing_extensions import override
from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from aqueduct.server.hot_paths import hot_paths
from aqueduct.server.http_protocol import BoundedHttpProtocol


class LateEvent(Struct, eq=False):
    """An `asyncio.Event` that is made for the first who waits: it takes some 800 bytes, and most requests need none."""

    _event: asyncio.Event | None = None
    _is_set: bool = False

    def set(self) -> None:
        """Let all go on that wait."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        """Let those wait that come from now on."""
        self._is_set = False
        if self._event is not None:
            self._event.clear()

    async def wait(self) -> bool:
        """Return once it is set."""
        if self._is_set:
            return True
        if self._event is None:
            self._event = asyncio.Event()
        return await self._event.wait()


class _ServerLines:
    """The server's own header lines. It makes a new list of them each second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return them as they are sent."""
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._lines


_server_lines: Final = _ServerLines()


class HotCycle(RequestResponseCycle):
    """One request of a hot path. What is the same for all requests at their beginning is told by the class."""

    access_log: bool = False
    disconnected: bool = False
    more_body: bool = True
    response_started: bool = False
    response_complete: bool = False
    chunked_encoding: bool | None = None
    expected_content_length: int = 0
    on_disconnect: Callable[[], None] | None = None
    """Called when the client leaves before its answer is complete."""
    held_back: bytes = b""
    """The head of an answer in chunks, which leaves together with the first of them."""

    def __init__(self, protocol: HttpToolsProtocol, scope: HTTPScope, *, keep_alive: bool) -> None:  # pyright: ignore[reportMissingSuperCall] - sets the same
        self.scope = scope  # type: ignore[assignment]  # Litestar's type of the same dictionary
        self.transport = protocol.transport
        self.flow: FlowControl = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.message_event = LateEvent()  # type: ignore[assignment]  # all of it that the server uses
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.body = bytearray()

    def begin(self, head: bytes, own: bytes = b"") -> bytes:
        """Note that an answer with status 200 begins; returns its head, `own` lines behind the server's and `head`."""
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = _server_lines.of(self.default_headers)
        close = b"" if self.keep_alive else b"connection: close\r\n"
        return b"HTTP/1.1 200 OK\r\n%b%b%b%b\r\n" % (lines, head, own, close)

    def end(self) -> None:
        """Note that the answer is out, as `send` does."""
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    @override
    async def send(self, message: ASGISendEvent) -> None:
        """As the server, but for a head that was held back."""
        if not self.held_back or self.flow.write_paused or message["type"] != "http.response.body":
            self._let_go()
            await super().send(message)
            return
        head, self.held_back = self.held_back, b""
        if self.disconnected:
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        self.transport.write(head + piece if more else b"%b%b0\r\n\r\n" % (head, piece))
        if not more:
            self.end()

    def _let_go(self) -> None:
        if self.held_back and not self.disconnected:
            self.transport.write(self.held_back)
        self.held_back = b""


class HotHttpProtocol(BoundedHttpProtocol):
    """Hands requests of hot paths over without the scope, the cycle and the router of the others."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        is_plain = not self.access_log and self.limit_concurrency is None and not self.root_path
        self._hot: Mapping[str, ASGIApp] = hot_paths(getattr(config, "loaded_app", None)) if is_plain else {}

    @override
    def on_message_begin(self) -> None:
        """Only what the head is collected in; the rest waits until the path is known."""
        self._in_head = True
        self._head_bytes = 0
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    @override
    def on_headers_complete(self) -> None:
        path = self.url.decode("latin-1")
        app = self._hot.get(path)
        parser: httptools.HttpRequestParser = self.parser  # pyright: ignore[reportAssignmentType] - None only at the end
        if app is None or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            self._begin_as_others()
            super().on_headers_complete()
            return
        self._end_head()
        scope = cast("HTTPScope", {"type": "http", "method": "POST", "path": path, "headers": self.headers})
        before = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's annotation leaves out the None
        cycle = self.cycle = HotCycle(self, scope, keep_alive=parser.should_keep_alive())
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # Litestar's type of the same callable
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))  # type: ignore[arg-type]  # as above

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        cycle = self.cycle
        if isinstance(cycle, HotCycle) and cycle.disconnected and cycle.on_disconnect is not None:
            cycle.on_disconnect()

    def _begin_as_others(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope holds


def take_whole(receive: Receive) -> bytes | None:
    """Return a request's body where all of it has arrived and no piece was taken; None where `receive` has to tell."""
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, HotCycle) or cycle.more_body or cycle.waiting_for_100_continue or cycle.disconnected:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.flow.resume_reading()
    cycle.message_event.clear()
    return body


def on_disconnect(receive: Receive, call: Callable[[], None]) -> bool:
    """Have `call` called when the client leaves before its answer is complete; False where `receive` has to tell."""
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, HotCycle):
        return False
    if cycle.disconnected:
        asyncio.get_running_loop().call_soon(call)
    cycle.on_disconnect = call
    cycle.flow.resume_reading()  # else the end would not be read
    return True
