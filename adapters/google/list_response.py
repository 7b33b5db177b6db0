"""A stream that came as one JSON list, as Google answers where `alt=sse` gets lost on the way; knows no answer."""

from typing import Final

import msgspec
from msgspec import Raw
from typing_extensions import override

from adapters.errors import UNREADABLE
from adapters.transport import MAX_RESPONSE_BYTES, UpstreamResponse

_LIST_DECODER: Final = msgspec.json.Decoder(list[Raw])


class ListResponse(UpstreamResponse):
    """Reads as server-sent events, all at once, what arrives as a list of answers or as a single one."""

    def __init__(self, response: UpstreamResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._is_read = False

    @override
    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
        return to_events(await self._response.read(limit))

    @override
    async def read_chunk(self) -> bytes:
        if self._is_read:
            return b""
        data = await self.read()
        self._is_read = True
        return data

    @override
    async def aclose(self) -> None:
        await self._response.aclose()

    @override
    def drain(self) -> None:
        self._response.drain()


def to_events(body: bytes) -> bytes:
    """Return the items of a JSON list, or a JSON object, as events; what is no JSON has none."""
    try:
        items = _LIST_DECODER.decode(body) if body.lstrip().startswith(b"[") else [Raw(body)]
        return b"".join(b"data: " + msgspec.json.format(bytes(item), indent=-1) + b"\n\n" for item in items)
    except UNREADABLE:
        return b""
