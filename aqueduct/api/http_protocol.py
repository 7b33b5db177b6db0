"""uvicorn's HTTP protocol with the bounds it lacks: on the time and size of a request's head; knows no route."""

import asyncio
from typing import Final, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES: Final = 64 * 1024
HEAD_TIMEOUT_S: Final = 10.0


def _raw_error(status: bytes, code: bytes, message: bytes) -> bytes:
    body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":"%b"}}' % (message, code)
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, len(body)) + body


_BAD_REQUEST: Final = _raw_error(b"400 Bad Request", b"invalid_http", b"The request is not valid HTTP/1.1.")
_HEAD_TIMEOUT: Final = _raw_error(b"408 Request Timeout", b"request_timeout", b"The request head took too long.")
_HEAD_TOO_LARGE: Final = _raw_error(
    b"431 Request Header Fields Too Large", b"headers_too_large", b"The request head is too large."
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections whose request head is too slow, too large or no HTTP, with an error in the API's form."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = False

    @override
    def connection_made(  # type: ignore[override]  # the transport's type as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._start_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
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
        self._stop_timer()
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(_BAD_REQUEST)

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._refuse, _HEAD_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        self._in_head = False
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's annotation leaves out the None
        if cycle is None or cycle.response_complete:
            self.transport.write(answer)  # else it would end up inside an earlier request's answer
        self.transport.close()
