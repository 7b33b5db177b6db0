"""uvicorn's HTTP protocol with the bounds it lacks, on time and size; knows no route.

Bounded are the time and the size of a request's head, the time of a body that nobody reads any more because its answer
is out, and the time for which a client may leave an answer unread.
"""

import asyncio
import re
from typing import Final, cast

from litestar import Litestar
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from aqueduct.auth.credentials import CREDENTIAL_HEADERS, UNAUTHENTICATED
from aqueduct.ids import RequestIds
from aqueduct.settings import Settings

MAX_HEAD_BYTES: Final = 64 * 1024
FIELD_BYTES: Final = len(b": \r\n")
LINGER_S: Final = 1.0
UNREAD_TIMEOUT_S: Final = 75.0
"""How long an answer may wait in the socket for a client that does not read, after the streams' own bound."""
_request_ids: Final = RequestIds()


class _Refusal:
    """An answer without a request, in the API's form."""

    def __init__(self, status: bytes, code: bytes, message: bytes, header: bytes = b"") -> None:
        self._body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":"%b"}}' % (
            message,
            code,
        )
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%b"
        self._head = head % (status, len(self._body), header)

    def encode(self) -> bytes:
        """Return the answer's bytes with an id of its own."""
        return b"%bx-request-id: %b\r\n\r\n%b" % (self._head, _request_ids().encode(), self._body)


_BAD_REQUEST: Final = _Refusal(b"400 Bad Request", b"invalid_http", b"The request is not valid HTTP/1.1.")
_INVALID_KEY: Final = _Refusal(
    b"401 Unauthorized", b"invalid_api_key", UNAUTHENTICATED.encode(), b"www-authenticate: Bearer\r\n"
)
_NUL_IN_KEY: Final = re.compile(
    rb"\r\n(?:%b):[^\r\n]*\0" % b"|".join(map(re.escape, sorted(CREDENTIAL_HEADERS))), re.IGNORECASE
)
"""A credential that no parser lets through: its sender is told that it is none, as of any other."""
_HEAD_TIMEOUT: Final = _Refusal(b"408 Request Timeout", b"request_timeout", b"The request head took too long.")
_HEAD_TOO_LARGE: Final = _Refusal(
    b"431 Request Header Fields Too Large", b"headers_too_large", b"The request head is too large."
)


class HeadTooLargeError(Exception):
    """A whole head is larger than its bound; the parser tells it as a request that it cannot read."""


class _UntilClose(int):
    """The length of an answer that ends with its connection: whatever is sent, as much is still to come."""

    @override
    def __lt__(self, _: int) -> bool:
        return False

    @override
    def __sub__(self, _: int) -> "_UntilClose":
        return self


_UNTIL_CLOSE: Final = _UntilClose(0)
_H2C: Final = re.compile(rb"\r\nupgrade:(?=[ \t]*h2c[ \t]*(?:\r\n|$))", re.IGNORECASE)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections whose request head is too slow, too large or no HTTP, and those that only hold on."""

    _head_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _idle_timer: asyncio.TimerHandle | None = None
    _idle_until = 0.0
    """When a connection that waits for its next request is closed, in loop time; 0: it does not wait."""
    _head_bytes = 0
    _may_be_large = False
    """Whether what was read last can end a head that is larger than its bound."""
    _in_head = False
    _in_body = False
    _refused = False
    _fault: _Refusal | None = None
    """Why the parser gave up on what was just received."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        settings = _settings_of(getattr(config, "loaded_app", None))
        self._head_timeout_s = settings.header_timeout_s
        self._body_timeout_s = settings.body_timeout_s

    @override
    def connection_made(  # type: ignore[override]  # the transport's type as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._start_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_rest_timer()
        self._stop_unread_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._may_be_large = len(data) > MAX_HEAD_BYTES - self._head_bytes
        if not self._in_body and _mentions_h2c(data):
            data = _without_h2c(data)
        super().data_received(data)
        if self._fault is not None:
            self._refuse(_INVALID_KEY if self._in_head and _NUL_IN_KEY.search(data) else self._fault)
            return
        if not self._in_head:
            if not self._idle_until and self._is_idle() and self._head_timer is None:
                self._start_timer()  # empty lines between requests begin none, but end the wait for one
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)
        elif self._head_timer is None:
            self._start_timer()

    @override
    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.chunked_encoding = False  # such a client does not know chunks, and reads to the end
            self.cycle.expected_content_length = _UNTIL_CLOSE

    @override
    def on_message_complete(self) -> None:
        self._in_body = False
        self._stop_rest_timer()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        """As the server, but for one timer a connection and not one a request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_until = self.loop.time() + self.timeout_keep_alive
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_at_idleness)
        if self._in_body:
            self._rest_timer = self.loop.call_later(self._body_timeout_s, self.transport.abort)

    @override
    def _unset_keepalive_if_required(self) -> None:
        self._idle_until = 0.0

    def _look_at_idleness(self) -> None:
        """Close a connection whose time is over, or look again when it will be; none is looked at during a request."""
        self._idle_timer = None
        if not self._idle_until:
            return
        left_s = self._idle_until - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._look_at_idleness)
        else:
            self.timeout_keep_alive_handler()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(UNREAD_TIMEOUT_S, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        self._stop_unread_timer()
        super().resume_writing()

    @override
    def send_400_response(self, msg: str) -> None:
        self._fault = _HEAD_TOO_LARGE if self._is_too_large() else _BAD_REQUEST

    def _is_too_large(self) -> bool:
        if not self._in_head:
            return False
        return (
            len(self.url) + sum(len(name) + len(value) + FIELD_BYTES for name, value in self.headers) > MAX_HEAD_BYTES
        )

    def _is_idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's annotation leaves out the None
        return cycle is not None and cycle.response_complete and not self._in_body

    def _end_head(self) -> None:
        if self._may_be_large and self._is_too_large():
            raise HeadTooLargeError
        self._in_head = False
        self._in_body = True
        self._stop_timer()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._head_timeout_s, self._refuse, _HEAD_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_rest_timer(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _refuse(self, refusal: _Refusal) -> None:
        self._in_head = False
        self._stop_timer()
        if self._refused or self.transport.is_closing():
            return
        self._stop_rest_timer()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            if not self._in_body or cycle.response_started or self.pipeline:
                self.transport.close()  # an answer would end up inside the earlier request's
                return
            cycle.disconnected = True  # it is the request's own body that is broken: nothing else will answer it
            cycle.message_event.set()
        self._refused = True
        self.transport.write(refusal.encode())
        self.transport.write_eof()
        # closing with bytes unread would reset the connection, and the client might never see the answer
        self._rest_timer = self.loop.call_later(LINGER_S, self.transport.abort)


def _mentions_h2c(data: bytes) -> bool:
    """Whether a request's head may hold the offer; its body, which may be long, is not looked through."""
    end = data.find(b"\r\n\r\n")
    return data.find(b"h2c", 0, len(data) if end < 0 else end) >= 0


def _without_h2c(data: bytes) -> bytes:
    """Return a request whose offer to speak HTTP/2 the parser does not see: it would take the body for what follows.

    Clients such as Java's make the offer with every request, and are content with an answer in HTTP/1.1.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _H2C.sub(b"\r\nx-upgra:", head) + end + rest


def _settings_of(app: object) -> Settings:
    """Return the settings of the application that is served, or the defaults where uvicorn has wrapped it."""
    settings: Settings | None = app.state.get("settings") if isinstance(app, Litestar) else None
    return Settings() if settings is None else settings
