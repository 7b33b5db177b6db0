"""What adapters need of an HTTP client; knows no implementation and no provider.

Small on purpose, so that the client can be replaced: `adapters/http1/` is the one in use (decision record 0006).
Implementations raise `ProviderError` with kind `CONNECTION` (also where connecting took too long), `TIMEOUT` (no answer
in time), `BAD_RESPONSE` or `OVERLOADED` (too many connections), and nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from typing_extensions import override

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
Header = tuple[bytes, bytes]


class Timeouts(Struct, frozen=True, kw_only=True):
    """Bounds on one upstream exchange, in seconds. Silence means no byte at all, keep-alive comments included."""

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0


class Request(Struct, frozen=True, kw_only=True):
    """One upstream request. `url` comes from the operator's configuration alone; `deadline` is in loop time.

    What clients name never passes a `Transport`: `aqueduct.media` has a way of its own.
    """

    method: str
    url: str
    headers: Sequence[Header]
    body: bytes = b""
    timeouts: Timeouts
    deadline: float

    @override
    def __repr__(self) -> str:
        """Show neither credentials nor what the client said."""
        names = [name.decode("ascii", "replace") for name, _ in self.headers]
        return f"Request(method={self.method!r}, headers={names}, body={len(self.body)} bytes)"


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. Single use, one owner, who calls `aclose` in the end."""

    status: int
    headers: dict[str, str]
    """Names in lower case; repeated headers are joined with `, `."""

    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
        """Return the whole remaining body; more than `limit` bytes are a `BAD_RESPONSE`."""
        ...

    async def read_chunk(self) -> bytes:
        """Return all bytes that have arrived, waiting for the first; `b""` at the regular end of the body."""
        ...

    async def deliver(self, take: Callable[[bytes], bool]) -> bool:
        """Hand over the body as it arrives: True at its regular end, False as soon as `take` returns False.

        A client that can calls `take` from where the bytes arrive, so that no task is woken for each arrival; this is
        what it does where it cannot. What `take` raises is raised here.
        """
        while data := await self.read_chunk():
            if not take(data):
                return False
        return True

    async def aclose(self) -> None:
        """Give the connection back where the body was read to its end, else close it. Idempotent."""
        ...

    def drain(self) -> None:
        """As `aclose`, but let a body that ends within a second end by itself, so that the connection is reusable."""
        ...


class Transport(Protocol):
    """A pooled HTTP client."""

    async def send(self, request: Request) -> UpstreamResponse:
        """Return the answer as soon as its head has arrived."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
