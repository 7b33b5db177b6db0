"""Which connection a request takes, how many there are, and what becomes of them."""

import asyncio

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport, pool
from adapters.http1.connection import Connection
from tests.adapters.http1_client import eventually, fetch, kind_of, request
from tests.adapters.raw_server import RawServer, always, answer, read_request, silent


async def test_pool_sequential_requests_share_one_connection(transport: Http1Transport) -> None:
    async with RawServer(always(answer())) as server:
        for _ in range(5):
            assert await fetch(transport, server.url) == b"ok"
        assert server.connections == 1


async def test_pool_connection_whose_answer_is_still_read_serves_the_next(transport: Http1Transport) -> None:
    async with RawServer(always(answer(b"x" * 1000))) as server:
        first = await transport.send(request(server.url))
        await asyncio.sleep(0.05)
        second = await transport.send(request(server.url))
        assert await first.read() == await second.read() == b"x" * 1000
        assert server.connections == 1


async def test_pool_concurrent_requests_take_a_connection_each(transport: Http1Transport) -> None:
    gate = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        await gate.wait()
        writer.write(answer(str(number).encode()))

    async with RawServer(script) as server:
        tasks = [asyncio.create_task(fetch(transport, server.url)) for _ in range(4)]
        await eventually(lambda: server.connections == 4)
        gate.set()
        assert sorted(await asyncio.gather(*tasks)) == [b"0", b"1", b"2", b"3"]


async def test_pool_connection_close_header_is_not_reused(transport: Http1Transport) -> None:
    async with RawServer(always(answer(headers="connection: close\r\n"))) as server:
        await fetch(transport, server.url)
        await fetch(transport, server.url)
        assert server.connections == 2


@pytest.mark.parametrize("tail", [b"HTTP/1.1 200 OK\r\nx-a: ", answer(b"poison"), b"garbage"])
async def test_pool_bytes_after_an_answer_never_reach_the_next_request(transport: Http1Transport, tail: bytes) -> None:
    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(answer(b"first") + tail if number == 0 else answer(b"second"))
        await read_request(reader)
        writer.write(b"b\r\ncontent-length: 6\r\n\r\npoison")
        await reader.read()

    async with RawServer(script) as server:
        assert await fetch(transport, server.url) == b"first"
        assert await fetch(transport, server.url) == b"second"


async def test_pool_unsolicited_bytes_while_idle_close_the_connection(transport: Http1Transport) -> None:
    spoken = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(answer(str(number).encode()))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        spoken.set()
        await reader.read()

    async with RawServer(script) as server:
        assert await fetch(transport, server.url) == b"0"
        await spoken.wait()
        await asyncio.sleep(0.02)
        assert await fetch(transport, server.url) == b"1"


async def test_pool_stale_connections_are_retried_once_on_a_new_one(transport: Http1Transport) -> None:
    """Several idle connections that the server drops when they are used again cost one new connection, not all."""
    gate = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        await gate.wait()
        writer.write(answer(str(number).encode()))
        if number < 3:
            await reader.readuntil(b"\r\n\r\n")  # the next request is swallowed
            return
        await reader.read()

    async with RawServer(script) as server:
        tasks = [asyncio.create_task(fetch(transport, server.url)) for _ in range(3)]
        await eventually(lambda: server.connections == 3)
        gate.set()
        await asyncio.gather(*tasks)
        assert await fetch(transport, server.url) == b"3"
        assert (server.connections, server.ended) == (4, 1)


async def test_pool_kept_connection_that_closes_after_working_is_not_retried(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider may have worked, and charged, all that time: only the caller may decide to pay again."""
    monkeypatch.setattr(pool, "RESEND_WITHIN_S", 0.1)

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(answer())
        await read_request(reader)
        await asyncio.sleep(0.3)

    async with RawServer(script) as server:
        await fetch(transport, server.url)
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url)
        assert caught.value.kind is ErrorKind.CONNECTION
        assert server.connections == 1


async def test_pool_new_connection_that_closes_is_not_retried(transport: Http1Transport) -> None:
    async def script(reader, writer, number) -> None:
        await read_request(reader)

    async with RawServer(script) as server:
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url)
        assert caught.value.kind is ErrorKind.CONNECTION
        assert server.connections == 1


async def test_pool_kept_connection_that_fails_after_the_first_byte_is_not_retried(transport: Http1Transport) -> None:
    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(answer())
        await read_request(reader)
        writer.write(b"HTTP/1.1 200")

    async with RawServer(script) as server:
        await fetch(transport, server.url)
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url)
        assert caught.value.kind is ErrorKind.CONNECTION
        assert server.connections == 1


async def test_pool_connection_lost_right_after_it_was_made_is_a_connection_error(
    transport: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Connection.connection_made

    def made_and_lost(self: Connection, line: asyncio.BaseTransport) -> None:
        made(self, line)
        line.abort()

    monkeypatch.setattr(Connection, "connection_made", made_and_lost)
    async with RawServer(silent) as server, asyncio.timeout(5):
        assert await kind_of(transport, server.url) is ErrorKind.CONNECTION
        assert not transport._active


async def test_pool_server_that_closes_idle_connections_is_noticed(transport: Http1Transport) -> None:
    async with RawServer(always(answer(), close=True)) as server:
        await fetch(transport, server.url)
        await eventually(lambda: server.ended == 1)
        await asyncio.sleep(0.02)
        assert not any(transport._idle.values())
        assert await fetch(transport, server.url) == b"ok"


async def test_pool_early_close_of_a_response_closes_the_socket(transport: Http1Transport) -> None:
    """TRAPS 18: what nobody reads any more must not stay open."""

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await reader.read()  # returns at the client's close

    async with RawServer(script) as server:
        response = await transport.send(request(server.url))
        assert await response.read_chunk() == b"hi"
        await response.aclose()
        await response.aclose()
        await eventually(lambda: server.ended == 1)
        assert not transport._active


@pytest.mark.parametrize("head_sent", [False, True])
async def test_pool_cancellation_closes_the_socket(transport: Http1Transport, head_sent: bool) -> None:
    asked = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        if head_sent:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        asked.set()
        await reader.read()

    async with RawServer(script) as server:
        task = asyncio.create_task(fetch(transport, server.url))
        await asked.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: server.ended == 1)
        assert not transport._active


async def test_pool_drain_keeps_a_connection_whose_body_ends_soon(transport: Http1Transport) -> None:
    async def script(reader, writer, number) -> None:
        while True:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"4\r\nrest\r\n0\r\n\r\n")

    async with RawServer(script) as server:
        for _ in range(2):
            response = await transport.send(request(server.url))
            assert await response.read_chunk() == b"hi"
            response.drain()
            await eventually(lambda: not transport._active)
        assert server.connections == 1


async def test_pool_drain_gives_up_after_a_second(transport: Http1Transport) -> None:
    async def script(reader, writer, number) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        while not reader.at_eof():  # never silent, never done
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)

    async with RawServer(script) as server:
        response = await transport.send(request(server.url))
        await response.read_chunk()
        started = asyncio.get_running_loop().time()
        response.drain()
        await eventually(lambda: not transport._active)
        assert 0.9 < asyncio.get_running_loop().time() - started < 2


async def test_pool_max_connections_makes_room_from_idle_ones_and_then_refuses() -> None:
    transport = Http1Transport(max_connections=2)
    async with RawServer(always(answer())) as one, RawServer(always(b"HTTP/1.1 200 OK\r\n\r\n")) as two:
        await fetch(transport, one.url)
        open_responses = [await transport.send(request(two.url)) for _ in range(2)]
        await eventually(lambda: one.ended == 1)
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, one.url)
        assert caught.value.kind is ErrorKind.OVERLOADED
        await open_responses[0].aclose()
        assert await fetch(transport, one.url) == b"ok"
        await transport.aclose()


async def test_pool_max_idle_bounds_what_is_kept() -> None:
    transport = Http1Transport(max_idle=1)
    gate = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        await gate.wait()
        writer.write(answer())
        await reader.read()

    async with RawServer(script) as server:
        tasks = [asyncio.create_task(fetch(transport, server.url)) for _ in range(3)]
        await eventually(lambda: server.connections == 3)
        gate.set()
        await asyncio.gather(*tasks)
        await eventually(lambda: server.ended == 2)
        await transport.aclose()
        await eventually(lambda: server.ended == 3)


async def test_pool_idle_connections_are_closed_in_time() -> None:
    transport = Http1Transport(keepalive_s=0.1)
    async with RawServer(always(answer())) as server:
        await fetch(transport, server.url)
        await eventually(lambda: server.ended == 1)
        assert await fetch(transport, server.url) == b"ok"
        await transport.aclose()


async def test_pool_aclose_fails_what_is_open_and_refuses_what_comes() -> None:
    transport = Http1Transport()

    async def script(reader, writer, number) -> None:
        await reader.read()

    async with RawServer(script) as server:
        task = asyncio.create_task(fetch(transport, server.url))
        await eventually(lambda: server.connections == 1 and transport._active)
        await transport.aclose()
        with pytest.raises(ProviderError) as caught:
            await task
        assert caught.value.kind is ErrorKind.CONNECTION
        with pytest.raises(ProviderError):
            await fetch(transport, server.url)
