"""When the bytes of an answer reach who reads them: together, pushed, in order before a failure, bounded in memory."""

import asyncio

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.http1.exchange import MAX_BUFFERED_BYTES
from tests.adapters.http1_exchanges import CHUNKED, once, request
from tests.adapters.raw_server import RawServer, always, read_request


async def test_exchange_chunks_that_arrive_together_are_read_together(transport: Http1Transport) -> None:
    async with RawServer(always(CHUNKED + b"1\r\nx\r\n" * 500 + b"0\r\n\r\n")) as server:
        response = await transport.send(request(server.url))
        await asyncio.sleep(0.05)
        assert await response.read_chunk() == b"x" * 500
        assert await response.read_chunk() == b""
        await response.aclose()


async def test_exchange_delivers_from_where_the_bytes_arrive_until_the_taker_refuses(transport: Http1Transport) -> None:
    pieces: list[tuple[bytes, asyncio.Task[object] | None]] = []

    def take(data: bytes) -> bool:
        pieces.append((data, asyncio.current_task()))
        return len(pieces) != 2

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        for count in range(1, 5):
            writer.write(b"1\r\n%d\r\n" % count * count)
            await writer.drain()
            while len(pieces) < count:  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.001)
        writer.write(b"0\r\n\r\n")

    async with RawServer(script) as server, asyncio.timeout(10):
        response = await transport.send(request(server.url))
        assert not await response.deliver(take)
        assert await response.deliver(take)
        assert await response.read_chunk() == b""
        await response.aclose()
    assert b"".join(data for data, _ in pieces) == b"1223334444"
    assert [task for _, task in pieces if task is None]


@pytest.mark.parametrize("at", [1, 2])
async def test_exchange_raises_what_the_taker_raises(transport: Http1Transport, at: int) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        if len(taken) == at:
            raise ZeroDivisionError
        return True

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await writer.drain()
        while not taken:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.001)
        writer.write(b"1\r\ny\r\n")
        await reader.read()

    async with RawServer(script) as server, asyncio.timeout(10):
        response = await transport.send(request(server.url))
        with pytest.raises(ZeroDivisionError):
            await response.deliver(take)
        await response.aclose()


async def test_exchange_delivers_bytes_before_it_raises_a_failure(transport: Http1Transport) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return True

    async with RawServer(once(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")) as server:
        response = await transport.send(request(server.url))
        with pytest.raises(ProviderError) as caught:
            await response.deliver(take)
        assert (taken, caught.value.kind) == ([b"half"], ErrorKind.CONNECTION)
        await response.aclose()


async def test_exchange_bytes_before_a_failure_are_read_first(transport: Http1Transport) -> None:
    async with RawServer(once(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")) as server:
        response = await transport.send(request(server.url))
        await asyncio.sleep(0.05)
        assert await response.read_chunk() == b"half"
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                await response.read_chunk()
            assert caught.value.kind is ErrorKind.CONNECTION
        await response.aclose()


async def test_exchange_slow_reader_bounds_memory_and_loses_nothing(transport: Http1Transport) -> None:
    """TRAPS 7, 17: a client that does not read must not fill the gateway."""
    total = 30_000_000
    sent = 0

    async def script(reader, writer, number) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n".encode())
        while sent < total:
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with RawServer(script) as server:
        response = await transport.send(request(server.url))
        await asyncio.sleep(0.3)
        assert response._buffered <= 2 * MAX_BUFFERED_BYTES
        assert sent < total - 5_000_000  # the rest waits in the server and the kernel
        received = 0
        while piece := await response.read_chunk():
            received += len(piece)
            assert len(piece) <= 2 * MAX_BUFFERED_BYTES
        assert received == total
        await response.aclose()
