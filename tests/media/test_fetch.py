"""Fetching against real servers on loopback, with a resolver and a network of the test's own (trap 24).

Every host of these tests resolves to what the test says; a connection to a "public" address is led to the test's
server, and what it was led from is noted: that is the address which the gateway chose.
"""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509

from adapters.http1.connection import Connection
from adapters.http1.pinned import connect_pinned
from adapters.http1.request import Origin
from aqueduct.media.fetch import Bounds, Budget, Content, Fetcher, FetchError
from aqueduct.media.guard import parse_guard
from tests.adapters.raw_server import RawServer, Script, always, answer, read_request
from tests.certificates import self_signed

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 10
PUBLIC = "93.184.216.34"
URL = "http://files.example/a.png?secret=canary"
GENEROUS = Bounds(max_bytes=100_000, timeout_s=20)


class World:
    """A resolver and a network: `answers` are what lookups give, one after the other, the last one for ever."""

    def __init__(self, server: RawServer, *answers: Sequence[str]) -> None:
        self._server = server
        self._answers = list(answers) or [(PUBLIC,)]
        self.lookups: list[str] = []
        self.connected: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        del port
        self.lookups.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not found:
            raise OSError
        return found

    async def connect(self, address: str, origin: Origin, tls: ssl.SSLContext) -> Connection:
        self.connected.append(address)
        return await connect_pinned("127.0.0.1", origin._replace(port=self._server.port), tls)

    def fetcher(
        self, bounds: Bounds = GENEROUS, allow: Sequence[str] = (), tls: ssl.SSLContext | None = None
    ) -> Fetcher:
        return Fetcher(parse_guard(allow), bounds, resolver=self.resolve, connect=self.connect, tls=tls)


async def fetch(world: World, url: str = URL, kind="image", **options) -> Content | str:
    """The content, or why there is none."""
    fetcher = world.fetcher(**options)
    try:
        return await fetcher.fetch(url, kind, Budget(fetcher.bounds.max_bytes))
    except FetchError as error:
        told = error.text
    assert "example" not in told
    assert "canary" not in told
    return told


async def test_image_is_fetched_and_nothing_of_the_gateway_is_told() -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(answer(PNG, headers="content-type: text/html\r\n"))

    async with RawServer(script) as server:
        world = World(server)
        assert await fetch(world) == Content("image/png", PNG)
    assert heads[0].startswith(b"GET /a.png?secret=canary HTTP/1.1\r\nhost: files.example\r\n")
    names = {line.split(b":")[0] for line in heads[0].split(b"\r\n")[1:] if line}
    assert names == {b"host", b"accept-encoding", b"content-length", b"accept", b"user-agent", b"connection"}
    assert world.connected == [PUBLIC]


REFUSED = "It cannot be reached, or is not open to the gateway."


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
)
async def test_host_at_a_private_address_is_refused_like_one_that_does_not_exist(address: str) -> None:
    async with RawServer(always(answer(PNG))) as server:
        private, missing = World(server, (address,)), World(server, ())
        assert await fetch(private) == await fetch(missing) == REFUSED
        assert private.connected == []
        assert server.connections == 0


async def test_host_with_public_and_private_addresses_is_reached_at_the_public_one() -> None:
    async with RawServer(always(answer(PNG))) as server:
        world = World(server, ("127.0.0.1", PUBLIC, "10.0.0.1"))
        assert isinstance(await fetch(world), Content)
    assert world.connected == [PUBLIC]


async def test_name_that_moves_to_a_private_address_is_looked_up_once_only() -> None:
    """DNS rebinding: the second answer, which a client that resolves again would connect to, is private."""
    async with RawServer(always(answer(PNG))) as server:
        world = World(server, (PUBLIC,), ("127.0.0.1",))
        assert isinstance(await fetch(world), Content)
    assert world.lookups == ["files.example"]
    assert world.connected == [PUBLIC]


def redirect(to: str, status: str = "302 Found") -> bytes:
    return answer(b"", status=status, headers=f"location: {to}\r\n")


def in_turn(*answers: bytes) -> Script:
    """Each connection gets the next of the answers."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answers[min(number, len(answers) - 1)])

    return script


async def test_redirect_is_followed_and_each_step_is_checked() -> None:
    async with RawServer(in_turn(redirect("/b"), redirect("http://cdn.example/c", "308 Moved"), answer(PNG))) as server:
        world = World(server)
        assert isinstance(await fetch(world), Content)
    assert world.lookups == ["files.example", "files.example", "cdn.example"]


async def test_redirect_into_a_private_range_is_refused() -> None:
    async with RawServer(in_turn(redirect("http://inside.example/"), answer(PNG))) as server:
        world = World(server, (PUBLIC,), ("10.0.0.7",))
        assert await fetch(world) == REFUSED
        assert server.connections == 1


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("http://files.example:22/", "Only the usual ports, 80 and 443, may be named."),
        ("http://user:pass@files.example/", "It holds credentials."),
        ("file:///etc/passwd", "It is not valid."),
        ("gopher://files.example/", "It is not valid."),
        ("http://[::1", "It is redirected to an address that is not valid."),
        ("http://files.example\\@inside.example/", "It is not valid."),
        ("", "It is redirected to an address that is not valid."),
    ],
)
async def test_redirect_to_what_no_client_may_name_is_refused(to: str, expected: str) -> None:
    async with RawServer(in_turn(redirect(to), answer(PNG))) as server:
        assert await fetch(World(server)) == expected
        assert server.connections == 1


async def test_redirects_without_end_are_given_up() -> None:
    async with RawServer(in_turn(redirect("/again"))) as server:
        assert await fetch(World(server)) == "It is redirected too often."
        assert server.connections == 4


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://files.example:8080/", "Only the usual ports, 80 and 443, may be named."),
        ("http://files.example:0/", "It is not valid."),
        ("http://user@files.example/", "It holds credentials."),
        ("http://:p@files.example/", "It holds credentials."),
        ("http:///a", "It is not valid."),
        ("http://files.exämple/", "It is not valid."),
        ("http://files.example/a b", "It is not valid."),
        ("http://files.example/\r\nx: y", "It is not valid."),
        ("http://[::1/", "It is not valid."),
        ("http://files.example/" + "a" * 9000, "It is too long."),
    ],
)
async def test_address_that_no_client_may_name_is_refused_unresolved(url: str, expected: str) -> None:
    async with RawServer(always(answer(PNG))) as server:
        world = World(server)
        assert await fetch(world, url) == expected
        assert world.lookups == []


async def test_endless_body_is_cut_at_the_bound() -> None:
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)
        while True:
            writer.write(b"x" * 10_000)
            sent += 10_000
            await writer.drain()

    async with RawServer(script) as server, asyncio.timeout(20):
        assert await fetch(World(server)) == "It is too large."
    assert sent < 50_000_000


async def test_length_beyond_the_bound_is_refused_before_the_body() -> None:
    async with RawServer(in_turn(b"HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n")) as server:
        assert await fetch(World(server)) == "It is too large."


async def test_body_shorter_than_its_length_is_no_content() -> None:
    async with RawServer(in_turn(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + PNG)) as server:
        assert await fetch(World(server)) == "It broke off, or is no valid HTTP."


async def test_length_that_is_too_small_does_not_hide_bytes_from_the_bound() -> None:
    lying = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(PNG) + PNG + b"x" * 500_000
    async with RawServer(in_turn(lying)) as server:
        found = await fetch(World(server))
    assert found in (Content("image/png", PNG), "It broke off, or is no valid HTTP.")


async def test_slow_body_ends_with_the_time() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with RawServer(script) as server, asyncio.timeout(20):
        world = World(server)
        assert await fetch(world, bounds=Bounds(timeout_s=0.3)) == "It did not arrive in time."


async def test_server_that_says_nothing_ends_with_the_time() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await asyncio.Event().wait()

    async with RawServer(script) as server, asyncio.timeout(20):
        assert await fetch(World(server), bounds=Bounds(timeout_s=0.3)) == "It did not arrive in time."


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_decompression_bomb_is_refused(pack) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    bomb = answer(pack(PNG + bytes(50_000_000)), headers=f"content-encoding: {encoding}\r\n")
    async with RawServer(in_turn(bomb)) as server:
        assert await fetch(World(server)) in {"It is too large.", "It broke off, or is no valid HTTP."}


@pytest.mark.parametrize(
    ("body", "headers", "kind", "expected"),
    [
        (b"<html>log in</html>", "content-type: image/png\r\n", "image", "It is no image of a known type."),
        (b"<svg/>", "content-type: image/svg+xml\r\n", "image", "It is no image of a known type."),
        (PNG, "content-type: video/mp4\r\n", "video", "It is no video of a known type."),
        (b"\0\1\2", "content-type: application/pdf\r\n", "file", "It is no file of a known type."),
    ],
)
async def test_content_of_another_type_than_the_parts_is_refused(body, headers, kind, expected) -> None:
    async with RawServer(in_turn(answer(body, headers=headers))) as server:
        assert await fetch(World(server), kind=kind) == expected


@pytest.mark.parametrize("status", ["404 Not Found", "206 Partial Content", "204 No Content", "500 Oops", "401 No"])
async def test_answer_that_is_no_success_is_refused(status: str) -> None:
    async with RawServer(in_turn(answer(b"", status=status))) as server:
        assert await fetch(World(server)) == "It is answered with an error."


@pytest.mark.parametrize("garbage", [b"\0\0\0\0", b"HTTP/1.1 200 OK\r\nx" + b"a" * 100_000, b""])
async def test_answer_that_is_no_http_is_refused(garbage: bytes) -> None:
    async with RawServer(in_turn(garbage)) as server, asyncio.timeout(20):
        assert await fetch(World(server)) == "It broke off, or is no valid HTTP."


async def test_allowed_host_is_reached_at_its_private_address_and_port() -> None:
    async with RawServer(always(answer(PNG))) as server:
        world = World(server, ("10.0.0.9",))
        assert isinstance(await fetch(world, "http://store.example:9000/a", allow=["store.example:9000"]), Content)
        assert world.connected == ["10.0.0.9"]


async def test_real_resolver_and_connection_reach_an_allowed_network() -> None:
    async with RawServer(always(answer(PNG))) as server:
        guard = parse_guard(["127.0.0.0/8", f"localhost:{server.port}"])
        fetcher = Fetcher(guard, GENEROUS)
        found = await fetcher.fetch(f"http://localhost:{server.port}/", "image", Budget(1000))
        assert found.data == PNG


async def test_fetches_at_once_are_bounded_and_the_rest_wait() -> None:
    two, release = asyncio.Event(), asyncio.Event()
    at_once: list[int] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        at_once.append(server.connections - server.ended)
        if len(at_once) == 2:
            two.set()
        await release.wait()
        writer.write(answer(PNG))

    async with RawServer(script) as server, asyncio.timeout(20):
        fetcher = World(server).fetcher(Bounds(timeout_s=20, concurrent=2))
        fetches = [asyncio.create_task(fetcher.fetch(URL, "image", Budget(1000))) for _ in range(6)]
        await two.wait()
        release.set()
        assert {content.data for content in await asyncio.gather(*fetches)} == {PNG}
    assert max(at_once) <= 3  # the server may see a connection's end after the next one's beginning


async def test_fetch_that_never_gets_room_is_told_so() -> None:
    async with RawServer(always(answer(PNG))) as server, asyncio.timeout(20):
        with pytest.raises(FetchError) as caught:
            await World(server).fetcher(Bounds(timeout_s=0.1, concurrent=0)).fetch(URL, "image", Budget(1000))
        assert caught.value.is_busy
        assert server.connections == 0


async def test_certificate_is_checked_against_the_hosts_name_not_the_address(tmp_path: Path) -> None:
    server_tls, trusting = self_signed(tmp_path, x509.DNSName("files.example"))
    async with RawServer(always(answer(PNG)), tls=server_tls) as server:
        world = World(server)
        assert isinstance(await fetch(world, "https://files.example/a", tls=trusting), Content)
        assert await fetch(world, "https://other.example/a", tls=trusting) == "Its certificate is not valid."
        assert await fetch(world, "https://files.example/a") == "Its certificate is not valid."


async def test_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server_tls, trusting = self_signed(tmp_path, x509.DNSName("files.example"))
    async with RawServer(in_turn(redirect("http://files.example/b")), tls=server_tls) as server:
        found = await fetch(World(server), "https://files.example/a", tls=trusting)
    assert found == "It is redirected to an address that is not valid."
