"""One exchange with a server that writes raw bytes, as its tests make it."""

import asyncio

from adapters.http1 import Http1Transport
from adapters.transport import Request, Timeouts
from tests.adapters.raw_server import Script, always

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def request(url: str, body: bytes = b"{}", headers=()) -> Request:
    deadline = asyncio.get_running_loop().time() + 20
    return Request(method="POST", url=url, headers=headers, body=body, timeouts=Timeouts(), deadline=deadline)


async def fetch(transport: Http1Transport, url: str, body: bytes = b"{}", headers=()) -> tuple[int, dict, bytes]:
    response = await transport.send(request(url, body, headers))
    try:
        return response.status, response.headers, await response.read()
    finally:
        await response.aclose()


def once(data: bytes) -> Script:
    """Answer the first request with these bytes and close the connection."""
    return always(data, close=True)
