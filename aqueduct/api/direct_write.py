"""Writes pieces of a begun answer straight to the client's connection, past the server's message for each; no framing.

A message through the server costs a dictionary, a coroutine and its checks, some 5 us; a stream has one for each read
of its provider. Knows uvicorn, and is not used under any other server.
"""

from collections.abc import Callable

from litestar.types import Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

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
