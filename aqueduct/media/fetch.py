"""Fetches one address of the web for a client: resolved once, checked, connected to as checked, and bounded in all.

An address may hold secrets, and a refusal may tell what stands in the operator's network: so an error says neither the
address nor what was found there, and no log has it. Decision record 0017.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from adapters.errors import ErrorKind, ProviderError
from adapters.http1.connection import Connection
from adapters.http1.exchange import Exchange
from adapters.http1.pinned import connect_pinned
from adapters.http1.request import Origin, encode_head, parse_url
from adapters.media import MediaKind
from adapters.transport import Request, Timeouts
from aqueduct.media.guard import Guard
from aqueduct.media.sniff import media_type_of

MAX_URL_CHARS: Final = 8192
MAX_REDIRECTS: Final = 3
MAX_ADDRESSES: Final = 4
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = ((b"accept", b"*/*"), (b"user-agent", b"aqueduct"), (b"connection", b"close"))
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Connect = Callable[[str, Origin, ssl.SSLContext], Awaitable[Connection]]


class FetchError(Exception):
    """Why there is no content. `text` is for the client; `is_busy` where it is the gateway that has no room."""

    def __init__(self, text: str, *, is_busy: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_busy = is_busy


class Content(NamedTuple):
    """What was fetched, and its media type by its own beginning."""

    media_type: str
    data: bytes


class Budget:
    """Bytes that the fetches of one request may still take together."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        """Take bytes; raises `FetchError` where there are not as many left."""
        self.left -= count
        if self.left < 0:
            raise FetchError("It is too large.")


class Bounds(Struct, frozen=True, kw_only=True):
    """`max_bytes` is for all addresses of a request, `timeout_s` for one of them, `concurrent` per process."""

    max_bytes: int = 20 * 1024 * 1024
    timeout_s: float = 10.0
    concurrent: int = 16


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return a host's addresses; raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Fetcher:
    """Fetches for this process. `resolver`, `connect` and `tls` are for tests."""

    def __init__(
        self,
        guard: Guard,
        bounds: Bounds,
        *,
        resolver: Resolve = resolve,
        connect: Connect = connect_pinned,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.bounds = bounds
        self._guard = guard
        self._resolve = resolver
        self._connect = connect
        self._tls = _public_tls() if tls is None else tls
        self._room = asyncio.Semaphore(bounds.concurrent)

    async def fetch(self, url: str, kind: MediaKind, budget: Budget) -> Content:
        """Return the content; raises `FetchError`."""
        has_room = False
        try:
            async with asyncio.timeout(self.bounds.timeout_s), self._room:
                has_room = True
                return await self._follow(url, kind, budget)
        except TimeoutError:
            if has_room:
                raise FetchError("It did not arrive in time.") from None
            raise FetchError("The gateway is fetching too much at once.", is_busy=True) from None

    async def _follow(self, url: str, kind: MediaKind, budget: Budget) -> Content:
        for _ in range(MAX_REDIRECTS + 1):
            exchange = await self._send(url)
            try:
                if exchange.status not in _REDIRECTS:
                    return await _read(exchange, kind, budget)
                target = exchange.headers.get("location", "")
            except ProviderError:
                raise FetchError("It broke off, or is no valid HTTP.") from None
            finally:
                await exchange.aclose()
            url = _redirected(url, target)
        raise FetchError("It is redirected too often.")

    async def _send(self, url: str) -> Exchange:
        origin, host, target = _parsed(url)
        if not self._guard.allows_port(origin.host, origin.port):
            raise FetchError("Only the usual ports, 80 and 443, may be named.")
        request = Request(
            method="GET",
            url=url,
            headers=_HEADERS,
            timeouts=Timeouts(),
            deadline=asyncio.get_running_loop().time() + 1e6,
        )
        head = encode_head(request, host, target)
        connection = await self._connected(origin)
        if not connection.is_open:
            raise FetchError("It broke off, or is no valid HTTP.")
        exchange = connection.start(request, head)
        try:
            await exchange.wait_head()
        except ProviderError:
            raise FetchError("It broke off, or is no valid HTTP.") from None
        except BaseException:  # raised again once the connection is closed
            connection.close()
            raise
        return exchange

    async def _connected(self, origin: Origin) -> Connection:
        """Resolve once, and connect to an address that was checked; the name is not looked up again."""
        try:
            found = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError):
            found = ()
        allowed = [address for address in found if self._guard.allows(origin.host, origin.port, address)]
        for address in allowed[:MAX_ADDRESSES]:
            try:
                return await self._connect(address, origin, self._tls)
            except ssl.SSLCertVerificationError:
                raise FetchError("Its certificate is not valid.") from None
            except OSError:
                continue
        raise FetchError("It cannot be reached, or is not open to the gateway.")


def _public_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _read(exchange: Exchange, kind: MediaKind, budget: Budget) -> Content:
    if exchange.status != 200:
        raise FetchError("It is answered with an error.")
    length = exchange.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > budget.left:
        raise FetchError("It is too large.")
    pieces: list[bytes] = []
    while piece := await exchange.read_chunk():
        budget.take(len(piece))
        pieces.append(piece)
    data = b"".join(pieces)
    media_type = media_type_of(data, exchange.headers.get("content-type", ""), kind)
    if media_type is None:
        raise FetchError(f"It is no {kind} of a known type.")
    return Content(media_type, data)


def _parsed(url: str) -> tuple[Origin, bytes, bytes]:
    """Split a URL that a client or a server wrote; the parts that are checked are those that are used."""
    if len(url) > MAX_URL_CHARS:
        raise FetchError("It is too long.")
    try:
        found = parse_url(url)
    except ProviderError:
        raise FetchError("It is not valid.") from None
    if "\\" in url:
        raise FetchError("It is not valid.")
    if "@" in urlsplit(url).netloc:
        raise FetchError("It holds credentials.")
    return found


def _redirected(url: str, target: str) -> str:
    try:
        found = urljoin(url, target)
        is_weaker = url[:6].lower() == "https:" and urlsplit(found).scheme != "https"
    except ValueError:
        raise FetchError("It is redirected to an address that is not valid.") from None
    if not target or is_weaker:
        raise FetchError("It is redirected to an address that is not valid.")
    return found


def to_provider_error(error: FetchError, path: str) -> ProviderError:
    """Return the error of the request whose part at `path` cannot be fetched."""
    if error.is_busy:
        return ProviderError(ErrorKind.OVERLOADED, error.text, code="media_not_fetched", param=path)
    message = f"The content at the address in '{path}' cannot be used. {error.text}"
    return ProviderError(ErrorKind.INVALID_REQUEST, message, code="media_not_fetched", param=path)
