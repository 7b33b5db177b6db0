"""What is read of an answer, against servers that write raw bytes."""

import asyncio
import gzip
import zlib

import pytest
import uvloop

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from tests.adapters.http1_exchanges import CHUNKED, fetch, once, request
from tests.adapters.raw_server import RawServer, Script, always, answer, read_request


async def error_of(transport: Http1Transport, script: Script) -> ErrorKind:
    async with RawServer(script) as server:
        with pytest.raises(ProviderError) as caught:
            await fetch(transport, server.url)
        assert not transport._active
        return caught.value.kind


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


async def test_exchange_repeated_headers_are_joined_and_lower_case(transport: Http1Transport) -> None:
    async with RawServer(once(answer(headers="X-A: 1\r\nx-a: 2\r\n"))) as server:
        assert (await fetch(transport, server.url))[1]["x-a"] == "1, 2"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 529])
async def test_exchange_error_status_is_an_answer_like_any_other(transport: Http1Transport, status: int) -> None:
    async with RawServer(always(answer(b"why", status=f"{status} Oh"))) as server:
        for _ in range(2):
            assert (await fetch(transport, server.url))[0::2] == (status, b"why")
        assert server.connections == 1


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
