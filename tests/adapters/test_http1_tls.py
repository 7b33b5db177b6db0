"""Connections with TLS: whom they trust, and what they cost."""

import asyncio
import ssl
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.transport import Timeouts
from tests.adapters.http1_client import fetch, kind_of
from tests.adapters.raw_server import RawServer, answer, read_request, silent
from tests.certificates import self_signed

LOOPBACK = x509.IPAddress(IPv4Address("127.0.0.1"))


async def test_pool_tls_with_a_trusted_authority_works_and_without_it_fails(tmp_path: Path) -> None:
    server_tls, client_tls = self_signed(tmp_path, LOOPBACK)
    trusting = Http1Transport(tls=client_tls)
    distrusting = Http1Transport()
    large = b"x" * 700_000

    async def echo(reader, writer, number) -> None:
        while True:
            _, body = await read_request(reader)
            writer.write(answer(body))

    async with RawServer(echo, tls=server_tls) as server:
        assert await fetch(trusting, server.url) == b"{}"
        assert await fetch(trusting, server.url, body=large) == large
        assert server.connections == 1
        with pytest.raises(ProviderError) as caught:
            await fetch(distrusting, server.url)
        assert caught.value.kind is ErrorKind.CONNECTION
        assert "certificate" in caught.value.message
        await trusting.aclose()
        await distrusting.aclose()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_pool_tls_server_that_closes_after_the_handshake_is_a_connection_error(tmp_path: Path, run) -> None:
    server_tls, client_tls = self_signed(tmp_path, LOOPBACK)

    async def hang_up(reader, writer, number) -> None:
        return

    async def scenario() -> None:
        transport = Http1Transport(tls=client_tls)
        async with RawServer(hang_up, tls=server_tls) as server, asyncio.timeout(10):
            for _ in range(10):
                assert await kind_of(transport, server.url, body=b"x" * 200_000) is ErrorKind.CONNECTION
        await transport.aclose()

    run(scenario())


async def test_pool_tls_authorities_are_not_read_while_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes some 50 ms, in which nobody else would be served."""
    transport = Http1Transport()

    def read_again(*args: object, **fields: object) -> ssl.SSLContext:
        raise AssertionError

    monkeypatch.setattr(ssl, "create_default_context", read_again)
    async with RawServer(silent) as server:
        url = server.url.replace("http:", "https:")
        assert await kind_of(transport, url, timeouts=Timeouts(connect_s=0.1)) in {"timeout", "connection"}
    await transport.aclose()
