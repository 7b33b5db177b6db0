"""One exchange with a provider, as bytes, and a `Transport` that plays it from memory; knows no adapter."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec import Struct
from typing_extensions import override

from adapters.base import Deployment, SupportsChat
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import MAX_RESPONSE_BYTES, Request, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest

JSON_HEADERS: Final[Mapping[str, str]] = MappingProxyType({"content-type": "application/json"})
STREAM_HEADERS: Final[Mapping[str, str]] = MappingProxyType({"content-type": "text/event-stream"})


class ConformanceCase(Struct, frozen=True, kw_only=True):
    """The same answer of a provider, whole and streamed.

    `whole` and `stream` may be None for an adapter that has no upstream: then only the answers are looked at.
    `error_body` is a JSON error of the provider, `error_event` the same as an event inside a stream (each None where
    the provider has no such thing); `unknown_event` is an event that does not exist yet and must be ignored.
    """

    name: str
    adapter: Callable[[Transport], SupportsChat]
    deployment: Deployment
    request: ChatRequest
    whole: bytes | None = None
    stream: bytes | None = None
    error_body: bytes | None = None
    error_event: bytes | None = None
    unknown_event: bytes | None = None
    whole_headers: Mapping[str, str] = JSON_HEADERS
    stream_headers: Mapping[str, str] = STREAM_HEADERS


class Played(Struct, frozen=True):
    """An upstream answer: what each read returns, and how the body fails after that, if it does."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = JSON_HEADERS
    failure: ProviderError | None = None


class PlayedResponse(UpstreamResponse):
    """An `UpstreamResponse` from memory that knows whether its owner let go of it."""

    def __init__(self, played: Played) -> None:
        self.status = played.status
        self.headers = dict(played.headers)
        self.released = False
        self._pieces = list(reversed([piece for piece in played.pieces if piece]))
        self._failure = played.failure

    @override
    async def read(self, limit: int = MAX_RESPONSE_BYTES) -> bytes:
        pieces: list[bytes] = []
        while piece := await self.read_chunk():
            pieces.append(piece)
        data = b"".join(pieces)
        if len(data) > limit:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's response is too large.")
        return data

    @override
    async def read_chunk(self) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        if self._failure is not None:
            raise self._failure
        return b""

    @override
    async def aclose(self) -> None:
        self.released = True

    @override
    def drain(self) -> None:
        self.released = True


class PlayedTransport(Transport):
    """Answers every request with the same bytes and remembers requests and responses."""

    def __init__(self, played: Played | None) -> None:
        self.requests: list[Request] = []
        self.responses: list[PlayedResponse] = []
        self._played = played

    @override
    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        if self._played is None:
            raise ProviderError(ErrorKind.CONNECTION, "There is no upstream in this case.")
        response = PlayedResponse(self._played)
        self.responses.append(response)
        return response

    @override
    async def aclose(self) -> None:
        return

    @property
    def all_released(self) -> bool:
        """Whether every response was closed or drained."""
        return all(response.released for response in self.responses)
