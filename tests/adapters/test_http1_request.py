"""What is sent of a request: its head, large bodies, and what is refused before it is sent."""

import asyncio
import tracemalloc

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.transport import Request, Timeouts
from tests.adapters.http1_exchanges import fetch
from tests.adapters.raw_server import RawServer, always, answer, read_request


async def test_exchange_twenty_megabytes_up_arrive_without_a_stall_or_a_copy(transport: Http1Transport) -> None:
    body = bytes(range(256)) * 80_000
    received = b""

    async def script(reader, writer, number) -> None:
        nonlocal received
        _, received = await read_request(reader)
        writer.write(answer())
        await reader.read()

    async def longest_stall() -> float:
        loop, longest = asyncio.get_running_loop(), 0.0
        while not received:
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)
        return longest

    async with RawServer(script) as server:
        stall = asyncio.create_task(longest_stall())
        await fetch(transport, server.url, body)
        assert received == body
        assert await stall < 0.5  # generous: the machine is shared


async def test_exchange_upload_holds_no_second_copy_while_the_server_is_slow(transport: Http1Transport) -> None:
    body = bytes(20_000_000)
    go_on = asyncio.Event()

    async def script(reader, writer, number) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        await reader.readexactly(len(body))
        writer.write(answer())
        await reader.read()

    async with RawServer(script) as server:
        tracemalloc.start()
        try:
            task = asyncio.create_task(fetch(transport, server.url, body))
            await asyncio.sleep(0.2)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 4_000_000
        go_on.set()
        assert (await task)[0] == 200


async def test_connection_holds_no_body_that_it_has_sent(transport: Http1Transport) -> None:
    gone: list[int] = []

    class Body(bytes):
        def __del__(self) -> None:
            gone.append(len(self))

    async def script(reader, writer, number) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1_000_000)
        writer.write(answer())
        await reader.read()

    async with RawServer(script) as server:
        request = Request(
            method="POST", url=server.url, headers=(), body=Body(bytes(1_000_000)), timeouts=Timeouts(),
            deadline=asyncio.get_running_loop().time() + 60,
        )  # fmt: skip
        response = await transport.send(request)
        del request
        assert gone == [1_000_000]
        await response.aclose()


async def test_exchange_answer_before_the_upload_ended_is_read_and_the_connection_closed(
    transport: Http1Transport,
) -> None:
    async def script(reader, writer, number) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"too large", status="413 Content Too Large"))
        await reader.read()

    async with RawServer(script) as server:
        assert (await fetch(transport, server.url, bytes(20_000_000)))[0::2] == (413, b"too large")
        assert not any(transport._idle.values())


async def test_exchange_request_has_one_host_one_length_and_its_headers(transport: Http1Transport) -> None:
    heads: list[bytes] = []

    async def script(reader, writer, number) -> None:
        head, body = await read_request(reader)
        heads.append(head + body)
        writer.write(answer())

    async with RawServer(script) as server:
        await fetch(transport, f"{server.url}/v1/a%2Fb?x=1#fragment", b"body", [(b"authorization", b"Bearer k")])
        assert heads == [
            b"POST /v1/a%%2Fb?x=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept-encoding: identity\r\n"
            b"content-length: 4\r\nauthorization: Bearer k\r\n\r\nbody" % server.port
        ]


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer a\r\nx-evil: 1"),
        (b"authorization", b"Bearer a\n"),
        (b"authorization", b"a\rb"),
        (b"authorization", b"a\0b"),
        (b"x-a: 1\r\nx-evil", b"1"),
        (b"Content-Length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"host", b"elsewhere"),
    ],
)
async def test_exchange_header_that_would_smuggle_is_refused(
    transport: Http1Transport, header: tuple[bytes, bytes]
) -> None:
    """TRAPS 24. The value, perhaps a secret, is not in the message."""
    async with RawServer(always(answer())) as server:
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url, headers=[(b"x-ok", b"1"), header])
        assert caught.value.kind is ErrorKind.CREDENTIALS
        assert "evil" not in caught.value.message
        assert "Bearer" not in caught.value.message
        assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nx-evil: 1",
        "http://127.0.0.1/ä",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "ftp://127.0.0.1/",
        "127.0.0.1/v1",
        "http:///v1",
        "",
    ],
)
async def test_exchange_url_that_is_none_is_refused(transport: Http1Transport, url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await fetch(transport, url)
    assert caught.value.kind is ErrorKind.CONNECTION
