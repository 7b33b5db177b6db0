"""Other framings than server-sent events for the conformance suite, which makes its faults in those."""

from collections.abc import Callable

from adapters.sse import Event, SseParser
from adapters.transport import MAX_RESPONSE_BYTES, Request, Transport, UpstreamResponse


class Framing(Transport):
    """Makes a frame of each event of a stream; other answers pass as they are."""

    def __init__(self, inner: Transport, is_stream: Callable[[Request], bool], frame: Callable[[Event], bytes]) -> None:
        self._inner = inner
        self._is_stream = is_stream
        self._frame = frame

    async def send(self, request: Request) -> UpstreamResponse:
        response = await self._inner.send(request)
        if response.status == 200 and self._is_stream(request):
            return FramedResponse(response, self._frame)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class FramedResponse(UpstreamResponse):
    def __init__(self, inner: UpstreamResponse, frame: Callable[[Event], bytes]) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._frame = frame
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
                return b"".join(map(self._frame, found))
        return b""

    async def aclose(self) -> None:
        await self._inner.aclose()

    def drain(self) -> None:
        self._inner.drain()
