"""Requests through the HTTP/1.1 transport as its tests make them."""

import asyncio

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.transport import Request, Timeouts


def request(url: str, **changes) -> Request:
    loop = asyncio.get_running_loop()
    fields = {"method": "POST", "headers": (), "body": b"{}", "timeouts": Timeouts(), "deadline": loop.time() + 20}
    return Request(url=url, **{**fields, **changes})


async def fetch(transport: Http1Transport, url: str, **changes) -> bytes:
    response = await transport.send(request(url, **changes))
    try:
        return await response.read()
    finally:
        await response.aclose()


async def kind_of(transport: Http1Transport, url: str, **changes) -> ErrorKind:
    with pytest.raises(ProviderError) as caught:
        await fetch(transport, url, **changes)
    return caught.value.kind


async def eventually(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)
