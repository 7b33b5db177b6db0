"""What is read of an answer and what is sent of a request, against servers that write raw bytes."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
import uvloop

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.http1.exchange import MAX_BUFFERED_BYTES
from adapters.transport import Request, Timeouts
from tests.adapters.raw_server import RawServer, Script, always, answer, read_request

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    transport = Http1Transport()
    yield transport
    await transport.aclose()


def request(url: str, body: bytes = b"{}", headers=()) -> Request:
    deadline = asyncio.get_running_loop().time() + 20
    return Request(method="POST", url=url, headers=headers, body=body, timeouts=Timeouts(), deadline=deadline)


async def fetch(transport: Http1Transport, url: str, body: bytes = b"{}", headers=()) -> tuple[int, dict, bytes]:
    response = await transport.send(request(url, body, headers))
    try:
        return response.status, response.headers, await response.read()
    finally:
        await response.aclose()


async def error_of(transport: Http1Transport, script: Script) -> ErrorKind:
    async with RawServer(script) as server:
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url)
        assert not transport._active
        return caught.value.kind


def once(data: bytes) -> Script:
    """Answer the first request with these bytes and close the connection."""
    return always(data, close=True)


# --- bodies


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (answer(b"0123456789"), b"0123456789"),
        (answer(b""), b""),
        (CHUNKED + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"body"), b"body"),
    ],
    ids=["content-length", "empty", "chunked", "close-delimited", "HTTP/1.0", "204", "interim answers"],
)
async def test_exchange_every_framing_is_read_whole(transport: Http1Transport, wire: bytes, body: bytes) -> None:
    async with RawServer(once(wire)) as server:
        status, headers, read = await fetch(transport, server.url)
        assert (status // 100, read) == (2, body)
        assert "x-interim" not in headers
        assert "x-trailer" not in headers


async def test_exchange_split_at_every_byte_reads_the_same(transport: Http1Transport) -> None:
    wire = CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    async def script(reader, writer, number) -> None:
        for cut in range(len(wire)):
            await read_request(reader)
            for piece in (wire[:cut], wire[cut:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)

    async with RawServer(script) as server:
        for _ in range(len(wire)):
            assert (await fetch(transport, server.url))[2] == b"abcde"
        assert server.connections == 1


async def test_exchange_every_byte_by_itself_reads_the_same(transport: Http1Transport) -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    async def script(reader, writer, number) -> None:
        await read_request(reader)
        for byte in wire:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with RawServer(script) as server:
        assert (await fetch(transport, server.url))[2] == b"abcde"


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


async def test_exchange_repeated_headers_are_joined_and_lower_case(transport: Http1Transport) -> None:
    async with RawServer(once(answer(headers="X-A: 1\r\nx-a: 2\r\n"))) as server:
        assert (await fetch(transport, server.url))[1]["x-a"] == "1, 2"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 529])
async def test_exchange_error_status_is_an_answer_like_any_other(transport: Http1Transport, status: int) -> None:
    async with RawServer(always(answer(b"why", status=f"{status} Oh"))) as server:
        for _ in range(2):
            assert (await fetch(transport, server.url))[0::2] == (status, b"why")
        assert server.connections == 1


# --- answers that are refused


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (b"", ErrorKind.CONNECTION),
        (b"HTTP/1.1 200", ErrorKind.CONNECTION),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", ErrorKind.CONNECTION),
        (CHUNKED + b"5\r\nab", ErrorKind.CONNECTION),
        (CHUNKED + b"2\r\nab\r\n", ErrorKind.CONNECTION),
        (CHUNKED + b"zz\r\nab\r\n", ErrorKind.BAD_RESPONSE),
        (b"\x16\x03\x01\x02\x00\x01\x00", ErrorKind.BAD_RESPONSE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ErrorKind.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", ErrorKind.BAD_RESPONSE),
        (CHUNKED[:-2] + b"content-length: 1\r\n\r\n0\r\n\r\n", ErrorKind.BAD_RESPONSE),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nwhat", ErrorKind.BAD_RESPONSE),
        (answer(headers="content-encoding: br\r\n"), ErrorKind.BAD_RESPONSE),
        (answer(b"no gzip at all", headers="content-encoding: gzip\r\n"), ErrorKind.BAD_RESPONSE),
        (answer(gzip.compress(b"x" * 5000)[:20], headers="content-encoding: gzip\r\n"), ErrorKind.BAD_RESPONSE),
        (answer(gzip.compress(bytes(30_000_000)), headers="content-encoding: gzip\r\n"), ErrorKind.BAD_RESPONSE),
    ],
    ids=[
        "closed without a word", "cut status line", "cut body", "cut chunk", "no last chunk", "bad chunk size",
        "TLS", "SSH", "two lengths", "length and chunked", "upgrade", "brotli", "no gzip", "cut gzip", "gzip bomb",
    ],
)  # fmt: skip
async def test_exchange_broken_answer_is_a_provider_error(
    transport: Http1Transport, wire: bytes, kind: ErrorKind
) -> None:
    assert await error_of(transport, once(wire)) is kind


@pytest.mark.parametrize("piece", [b"x" * 1000, b"x-a: " + b"y" * 500 + b"\r\n"], ids=["one line", "many lines"])
@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", CHUNKED + b"1\r\na\r\n0\r\n"], ids=["head", "trailers"])
async def test_exchange_endless_head_or_trailers_are_refused(
    transport: Http1Transport, start: bytes, piece: bytes
) -> None:
    sent = 0

    async def script(reader, writer, number) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(start + b"x-b: ")
        while sent < 50_000_000:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    assert await error_of(transport, script) is ErrorKind.BAD_RESPONSE
    assert sent < 50_000_000


async def test_exchange_endless_interim_answers_are_refused(transport: Http1Transport) -> None:
    async def script(reader, writer, number) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()

    assert await error_of(transport, script) is ErrorKind.BAD_RESPONSE


async def test_exchange_body_beyond_the_limit_is_refused(transport: Http1Transport) -> None:
    async with RawServer(always(answer(b"x" * 1000))) as server:
        response = await transport.send(request(server.url))
        with pytest.raises(ProviderError) as caught:
            await response.read(limit=999)
        assert caught.value.kind is ErrorKind.BAD_RESPONSE
        await response.aclose()


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
async def test_exchange_compressed_body_is_inflated(transport: Http1Transport, encode) -> None:
    """Nobody asked for compression; some servers compress all the same."""
    name = "GZIP" if encode is gzip.compress else "deflate"
    body = bytes(range(256)) * 4000
    async with RawServer(always(answer(encode(body), headers=f"content-encoding: {name}\r\n"))) as server:
        assert (await fetch(transport, server.url))[2] == body
        assert (await fetch(transport, server.url))[2] == body
        assert server.connections == 1


async def test_exchange_empty_body_called_gzip_is_empty(transport: Http1Transport) -> None:
    async with RawServer(once(answer(b"", headers="content-encoding: gzip\r\n"))) as server:
        assert (await fetch(transport, server.url))[2] == b""


# --- backpressure


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


# --- requests


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


def test_exchange_works_on_uvloop() -> None:
    """The gateway runs on uvloop, whose transports are other classes."""
    body = bytes(range(256)) * 8000

    async def echo(reader, writer, number) -> None:
        while True:
            _, data = await read_request(reader)
            writer.write(answer(data))

    async def scenario() -> None:
        transport = Http1Transport()
        async with RawServer(echo) as server:
            for data in (b"small", body, b"small"):
                response = await transport.send(request(server.url, data))
                await asyncio.sleep(0.05)
                assert await response.read() == data
                await response.aclose()
            assert server.connections == 1
        await transport.aclose()

    uvloop.run(scenario())
