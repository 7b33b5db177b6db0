"""Frames of AWS's event stream, written by hand after its specification; knows no adapter.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html, checked 2026-11-24.
"""

import json
from binascii import crc32

from adapters.sse import SseParser
from adapters.transport import MAX_RESPONSE_BYTES, Request, Transport, UpstreamResponse

HTTP_OK = 200


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()


def frame(payload: bytes, headers: bytes) -> bytes:
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    head = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return head + crc32(head).to_bytes(4, "big")


def event(name: str, payload: object, kind: str = "event") -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    headers = header(f":{kind}-type", name) + header(":content-type", "application/json")
    return frame(data, headers + header(":message-type", kind))


class Framing(Transport):
    """Turns the server-sent events of a conformance case into frames, one by one; other answers pass as they are."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: Request) -> UpstreamResponse:
        response = await self._inner.send(request)
        streamed = request.url.endswith("/converse-stream") and response.status == HTTP_OK
        return FramedResponse(response) if streamed else response

    async def aclose(self) -> None:
        await self._inner.aclose()


class FramedResponse(UpstreamResponse):
    def __init__(self, inner: UpstreamResponse) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._parser = SseParser()
        self._ended = False

    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
        return await self._inner.read(limit)

    async def read_chunk(self) -> bytes:
        while not self._ended:
            data = await self._inner.read_chunk()
            self._ended = not data
            found = self._parser.feed(data) if data else self._parser.flush()
            if found:
                return b"".join(self._frame(one.name.decode("utf-8", "replace"), one.data) for one in found)
        return b""

    def _frame(self, name: str, data: bytes) -> bytes:
        return event(name.removeprefix("!"), data, "exception" if name.startswith("!") else "event")

    async def aclose(self) -> None:
        await self._inner.aclose()

    def drain(self) -> None:
        self._inner.drain()
