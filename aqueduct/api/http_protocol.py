"""uvicorn's HTTP protocol with the bounds it lacks, on time and size; knows no route.

Bounded are the time and the size of a request's head, the time of a body that nobody reads any more because its answer
is out, and the time for which a client may leave an answer unread. An answer's head leaves with its first bytes.
"""

import asyncio
from typing import Final, cast

from litestar import Litestar
from typing_extensions import override
from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from aqueduct.api.gateway import Gateway
from aqueduct.ids import RequestIds
from aqueduct.settings import Settings

MAX_HEAD_BYTES: Final = 64 * 1024
LINGER_S: Final = 1.0
UNREAD_TIMEOUT_S: Final = 75.0
"""How long an answer may wait in the socket for a client that does not read, after the streams' own bound."""
_request_ids: Final = RequestIds()


class _Refusal:
    """An answer without a request, in the API's form."""

    def __init__(self, status: bytes, code: bytes, message: bytes) -> None:
        self._body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":"%b"}}' % (
            message,
            code,
        )
        self._head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % (
            status,
            len(self._body),
        )

    def encode(self) -> bytes:
        """Return the answer's bytes with an id of its own."""
        return b"%bx-request-id: %b\r\n\r\n%b" % (self._head, str(_request_ids()).encode(), self._body)


_BAD_REQUEST: Final = _Refusal(b"400 Bad Request", b"invalid_http", b"The request is not valid HTTP/1.1.")
_HEAD_TIMEOUT: Final = _Refusal(b"408 Request Timeout", b"request_timeout", b"The request head took too long.")
_HEAD_TOO_LARGE: Final = _Refusal(
    b"431 Request Header Fields Too Large", b"headers_too_large", b"The request head is too large."
)


class OneWriteCycle(RequestResponseCycle):
    """One request and its answer, whose head waits for the first body message: one system call instead of two.

    It sends what uvicorn's own sends, and raises what that raises. An answer that breaks off before its first body
    message sends nothing.
    """

    _head = b""

    @override
    async def send(self, message: ASGISendEvent) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_complete:
            text = f"Unexpected ASGI message '{message['type']}' sent, after response already completed."
            raise RuntimeError(text)
        if self.response_started:
            if message["type"] != "http.response.body":
                text = f"Expected ASGI message 'http.response.body', but got '{message['type']}'."
                raise RuntimeError(text)
            self._send_body(message)
        else:
            if message["type"] != "http.response.start":
                text = f"Expected ASGI message 'http.response.start', but got '{message['type']}'."
                raise RuntimeError(text)
            self._hold_head(message)

    def _hold_head(self, message: HTTPResponseStartEvent) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        status = message["status"]
        headers = [*self.default_headers, *message.get("headers", ())]
        # joined, because one search over all values costs less than one for each
        if HEADER_RE.search(b"".join([name for name, _ in headers])):
            text = "Invalid HTTP header name."
            raise RuntimeError(text)
        if HEADER_VALUE_RE.search(b"".join([value for _, value in headers])):
            text = "Invalid HTTP header value."
            raise RuntimeError(text)
        lines = [STATUS_LINE[status]]
        closes = False
        for cased, value in headers:
            name = cased.lower()
            closes = self._note_framing(name, value) or closes
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in {204, 304}:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def _note_framing(self, name: bytes, value: bytes) -> bool:
        """Take over what a header says of the answer's end; returns whether it closes the connection."""
        if name == b"content-length" and self.chunked_encoding is None:
            self.expected_content_length = int(value)
            self.chunked_encoding = False
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            self.expected_content_length = 0
            self.chunked_encoding = True
        elif name == b"connection" and b"close" in [token.strip() for token in value.lower().split(b",")]:
            self.keep_alive = False
            return True
        return False

    def _send_body(self, message: HTTPResponseBodyEvent) -> None:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            data = head
        elif self.chunked_encoding:
            data = b"%b%x\r\n%b\r\n" % (head, len(body), body) if body else head
            if not more:
                data += b"0\r\n\r\n"
        else:
            if len(body) > self.expected_content_length:
                text = "Response content longer than Content-Length"
                raise RuntimeError(text)
            self.expected_content_length -= len(body)
            data = head + body
        self.transport.write(data)
        if more:
            return
        if self.expected_content_length != 0:
            text = "Response content shorter than Content-Length"
            raise RuntimeError(text)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections whose request head is too slow, too large or no HTTP, and those that only hold on."""

    _head_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = False
    _in_body = False
    _refused = False

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
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if not self._in_head:
            if self.timeout_keep_alive_task is None and self._is_idle() and self._head_timer is None:
                self._start_timer()  # empty lines between requests begin none, but end uvicorn's own timer
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
        self._in_head = False
        self._in_body = True
        self._stop_timer()
        earlier = self.cycle
        super().on_headers_complete()
        if self.cycle is not earlier and not self.access_log:
            # uvicorn names its class of cycles where it makes them; the task that runs this one has not begun yet
            self.cycle.__class__ = OneWriteCycle

    @override
    def on_message_complete(self) -> None:
        self._in_body = False
        self._stop_rest_timer()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(self._body_timeout_s, self.transport.abort)

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
        self._refuse(_BAD_REQUEST)

    def _is_idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's annotation leaves out the None
        return cycle is not None and cycle.response_complete and not self._in_body

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
            self.transport.close()  # an answer would end up inside the earlier request's
            return
        self._refused = True
        self.transport.write(refusal.encode())
        self.transport.write_eof()
        # closing with bytes unread would reset the connection, and the client might never see the answer
        self._rest_timer = self.loop.call_later(LINGER_S, self.transport.abort)


def _settings_of(app: object) -> Settings:
    """Return the settings of the application that is served, or the defaults where uvicorn has wrapped it."""
    gateway: Gateway | None = app.state.get("gateway") if isinstance(app, Litestar) else None
    return Settings() if gateway is None else gateway.settings
