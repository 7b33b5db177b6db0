"""Writes answers straight to the client's connection, past the server's messages; knows no route.

A message through the server costs a dictionary, a coroutine and its checks, some 5 us, and a write to a socket a system
call that wakes its reader, 10 us and more. A stream has a message for each read of its provider; a whole answer leaves
in one write, and the head of a stream with its first content. Knows uvicorn, and is not used under any other server.
"""

from collections.abc import Callable
from typing import Final

from litestar.types import Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from aqueduct.server.hot_protocol import HotCycle

JOIN_BELOW_BYTES: Final = 64 * 1024
"""Larger bodies are not copied behind their head."""
DirectWrite = Callable[[bytes], bool]
"""Takes a piece that is not empty; False where the client does not keep up, so that the next wait is due."""


def begin_stream(send: Send, head: bytes) -> bool:
    """Begin an answer of unknown length with status 200; False where it has to begin through `send`.

    `head` are header lines, checked by whoever made them. They leave with the first piece of the body.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, HotCycle) or cycle.response_started or cycle.flow.write_paused:
        return False
    cycle.held_back = cycle.begin(head, b"transfer-encoding: chunked\r\n")
    cycle.chunked_encoding = True
    return True


def direct_write(send: Send) -> DirectWrite | None:
    """Return the writer of the answer that `send` has begun, None where `send` is not the server's own."""
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not cycle.chunked_encoding or cycle.response_complete:
        return None
    hot = cycle if isinstance(cycle, HotCycle) else None

    def write(data: bytes) -> bool:
        if cycle.disconnected:
            return True  # as the server itself: nobody reads it
        head = b""
        if hot is not None and hot.held_back:
            head, hot.held_back = hot.held_back, b""
        cycle.transport.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        return not cycle.flow.write_paused

    return write


def write_whole(send: Send, head: bytes, body: bytes) -> bool:
    """Write an answer with status 200 in one piece; False where it has to go through `send`.

    `head` are header lines with a `content-length`, checked by whoever made them.
    """
    cycle = getattr(send, "__self__", None)
    if (
        not isinstance(cycle, HotCycle)
        or cycle.response_started
        or cycle.flow.write_paused
        or len(body) >= JOIN_BELOW_BYTES
    ):
        return False
    if cycle.disconnected:
        return True  # as the server itself: nobody reads it
    cycle.transport.write(cycle.begin(head) + body)
    cycle.chunked_encoding = False
    cycle.end()
    return True
