"""The pool: finds or opens a connection for each request, bounds their number, and keeps time for all of them."""

import asyncio
import os
import socket
import ssl
from collections import deque
from functools import lru_cache
from typing import Final

from typing_extensions import override

from adapters.errors import ErrorKind, ProviderError
from adapters.http1.connection import Connection
from adapters.http1.request import Origin, encode_head, split_url
from adapters.transport import Request, Transport, UpstreamResponse

WATCH_INTERVAL_S: Final = 0.1
RESEND_WITHIN_S: Final = 1.0
"""A kept connection that closes this soon after a request, without a byte, was closed before the provider saw it."""


class Http1Transport(Transport):
    """The pool. `max_connections` bounds all connections, `max_idle` the idle ones per origin.

    `tls` is for providers whose certificates the system's authorities do not vouch for.
    """

    def __init__(
        self,
        *,
        max_connections: int = 4096,
        max_idle: int = 256,
        keepalive_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._keepalive_s = keepalive_s
        self._idle: dict[Origin, deque[Connection]] = {}
        self._active: set[Connection] = set()
        self._connecting = 0
        self._watcher: asyncio.TimerHandle | None = None
        self._tls = _system_tls() if tls is None else tls
        self._closed = False

    @override
    async def send(self, request: Request) -> UpstreamResponse:
        origin, host, target = split_url(request.url)
        head = encode_head(request, host, target)
        connection = self._take_idle(origin)
        while True:
            if connection is None:
                connection = await self._connect(origin, request)
            reused, connection.used = connection.used, True
            resend_until = connection.loop.time() + RESEND_WITHIN_S
            exchange = connection.start(request, head)
            try:
                await exchange.wait_head()
            except ProviderError as error:
                was_stale = reused and error.kind is ErrorKind.CONNECTION and not exchange.first_byte_seen
                if not was_stale or connection.loop.time() > resend_until:
                    raise
                connection = None  # once more, on a new one
            except asyncio.CancelledError:
                connection.release(exchange)
                raise
            else:
                return exchange

    @override
    async def aclose(self) -> None:
        self._closed = True
        for connection in [*self._active, *(c for idle in self._idle.values() for c in idle)]:
            connection.close()
        self._idle.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    # --- called by connections

    def watch(self, connection: Connection) -> None:
        """Hold a connection in use to its bounds on time."""
        self._active.add(connection)
        if self._watcher is None:
            self._watcher = connection.loop.call_later(WATCH_INTERVAL_S, self._check_time, connection.loop)

    def put_idle(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        self._active.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is None:
            idle = self._idle[connection.origin] = deque()
        if len(idle) >= self._max_idle or self._closed:
            connection.close()
            return
        connection.idle_since = connection.loop.time()
        idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closing."""
        self._active.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)

    # --- inside

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, origin: Origin, request: Request) -> Connection:
        self._make_room()
        loop = asyncio.get_running_loop()
        until = loop.time() + request.timeouts.connect_s
        self._connecting += 1
        try:
            async with asyncio.timeout_at(min(until, request.deadline)):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, origin),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except TimeoutError:
            kind = ErrorKind.TIMEOUT if request.deadline <= until else ErrorKind.CONNECTION  # nothing was sent
            raise ProviderError(kind, "The provider could not be reached in time.") from None
        except ssl.SSLCertVerificationError as error:
            why = f"The provider's certificate is not valid: {error.verify_message}."
            raise ProviderError(ErrorKind.CONNECTION, why) from None
        except (OSError, UnicodeError) as error:
            message = f"The provider could not be reached: {_why(error)}."
            raise ProviderError(ErrorKind.CONNECTION, message) from None
        finally:
            self._connecting -= 1
        if not connection.is_open:
            raise ProviderError(ErrorKind.CONNECTION, "The provider closed the connection too early.")
        return connection

    def _make_room(self) -> None:
        """Hold the bound on all connections: the one that has been idle longest makes room for a new one."""
        if self._closed:
            raise ProviderError(ErrorKind.CONNECTION, "The gateway is shutting down.")
        waiting = [idle for idle in self._idle.values() if idle]
        if len(self._active) + self._connecting + sum(map(len, waiting)) < self._max_connections:
            return
        if not waiting:
            raise ProviderError(ErrorKind.OVERLOADED, "Too many requests to providers are open.")
        min(waiting, key=lambda idle: idle[0].idle_since).popleft().close()

    def _check_time(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [c for c in self._active if c.expires_at <= now]:
            connection.expire()
        for idle in self._idle.values():
            while idle and idle[0].idle_since + self._keepalive_s <= now:
                idle.popleft().close()
        if self._active or any(self._idle.values()):
            self._watcher = loop.call_later(WATCH_INTERVAL_S, self._check_time, loop)
        else:
            self._watcher = None


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    """Return the context that trusts the system's authorities; reading them takes some 50 ms, so at start-up."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _why(error: OSError | UnicodeError) -> str:
    """Return what keeps a connection from being made, without the address."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'unknown reason'})"
    if isinstance(error, UnicodeError):
        return "its host name cannot be used"
    if isinstance(error, socket.gaierror):  # its numbers are the resolver's own
        return error.strerror or "its host name cannot be resolved"
    return os.strerror(error.errno) if error.errno else "no address of its host answers"
