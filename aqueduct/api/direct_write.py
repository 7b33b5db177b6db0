"""Writes answers straight to the client's connection, past the server's messages; knows no route.

A message through the server costs a dictionary, a coroutine and its checks, some 5 us; a stream has one for each read
of its provider. A whole answer leaves in one write: through the server it is two, and each header is searched twice
for what cannot be in it. Knows uvicorn, and is not used under any other server.
"""

from collections.abc import Callable
from typing import Final

from litestar.types import Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

JOIN_BELOW_BYTES: Final = 64 * 1024
"""Larger bodies are not copied behind their head."""
DirectWrite = Callable[[bytes], bool]
"""Takes a piece that is not empty; False where the client does not keep up, so that the next wait is due."""


def direct_write(send: Send) -> DirectWrite | None:
    """Return the writer of the answer that `send` has begun, None where `send` is not the server's own."""
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not cycle.chunked_encoding or cycle.response_complete:
        return None

    def write(data: bytes) -> bool:
        if cycle.disconnected:
            return True  # as the server itself: nobody reads it
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return not cycle.flow.write_paused

    return write


def write_whole(send: Send, head: bytes, body: bytes) -> bool:
    """Write an answer with status 200 in one piece; False where it has to go through `send`.

    `head` are header lines with a `content-length`, checked by whoever made them. The request must not be a `HEAD`.
    """
    cycle = getattr(send, "__self__", None)
    if (
        not isinstance(cycle, RequestResponseCycle)
        or cycle.response_started
        or cycle.flow.write_paused
        or cycle.access_log
        or len(body) >= JOIN_BELOW_BYTES
    ):
        return False
    if cycle.disconnected:
        return True  # as the server itself: nobody reads it
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = cycle.chunked_encoding = False
    own = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    if not cycle.keep_alive:
        own += b"connection: close\r\n"
    cycle.transport.write(b"HTTP/1.1 200 OK\r\n%b%b\r\n%b" % (own, head, body))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
