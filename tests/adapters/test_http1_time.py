"""Bounds on the time of a request: to connect, to the first byte, between bytes, and the deadline."""

import asyncio

import pytest

from adapters.errors import ErrorKind
from adapters.http1 import Http1Transport
from adapters.transport import Timeouts
from tests.adapters.http1_client import eventually, kind_of, request
from tests.adapters.raw_server import RawServer, always, answer, read_request, silent


async def silent_in_body(reader, writer, number) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    await reader.read()


async def dripping(reader, writer, number) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while not reader.at_eof():
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("script", "timeouts", "deadline_s"),
    [
        (silent, Timeouts(first_byte_s=0.2), 20),
        (silent_in_body, Timeouts(idle_s=0.2), 20),
        (dripping, Timeouts(), 0.3),
        (silent, Timeouts(), 0.2),
    ],
    ids=["first byte", "idle", "deadline while bytes come", "deadline before the first byte"],
)
async def test_pool_bound_on_time_raises_timeout_and_closes(
    transport: Http1Transport, script, timeouts: Timeouts, deadline_s: float
) -> None:
    async with RawServer(script) as server:
        started = asyncio.get_running_loop().time()
        kind = await kind_of(transport, server.url, timeouts=timeouts, deadline=started + deadline_s)
        assert kind is ErrorKind.TIMEOUT
        assert 0.15 < asyncio.get_running_loop().time() - started < 2
        await eventually(lambda: server.ended == 1)


async def test_pool_connect_timeout_is_a_connection_error(transport: Http1Transport) -> None:
    """A TLS handshake that the server never answers: nothing was sent, so trying again costs nothing."""
    async with RawServer(silent) as server:
        url = server.url.replace("http:", "https:")
        assert await kind_of(transport, url, timeouts=Timeouts(connect_s=0.2)) is ErrorKind.CONNECTION


async def test_pool_deadline_while_connecting_is_a_timeout(transport: Http1Transport) -> None:
    async with RawServer(silent) as server:
        url = server.url.replace("http:", "https:")
        deadline = asyncio.get_running_loop().time() + 0.2
        assert await kind_of(transport, url, deadline=deadline) is ErrorKind.TIMEOUT


async def test_pool_slow_reader_is_not_the_providers_silence(transport: Http1Transport) -> None:
    """While reading is paused for a slow client, only the deadline counts."""
    async with RawServer(always(answer(b"x" * 3_000_000))) as server:
        response = await transport.send(request(server.url, timeouts=Timeouts(idle_s=0.2)))
        await asyncio.sleep(0.6)
        assert len(await response.read()) == 3_000_000
        await response.aclose()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid", f"http://{'a' * 70}.invalid"])
async def test_pool_unreachable_host_is_a_connection_error(transport: Http1Transport, url: str) -> None:
    assert await kind_of(transport, url) is ErrorKind.CONNECTION
