"""What every HTTP adapter does alike: post JSON, turn a failure into `ProviderError`, drive a stream's translator.

Knows no provider: status, headers and body of a failure go to the adapter's own `errors.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final, Generic, Protocol, Self, TypeVar

import msgspec
from msgspec import Struct

from adapters.base import Call
from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from adapters.sse import Event, SseParser
from adapters.stream_state import SharedState, StreamState
from adapters.transport import Header, Request, Transport, UpstreamResponse

MAX_ERROR_BYTES: Final = 64 * 1024
MAX_RETRY_AFTER_S: Final = 1e9
ChunkT = TypeVar("ChunkT")
ChunkT_co = TypeVar("ChunkT_co", covariant=True)
BodyT = TypeVar("BodyT")


class Failure(Struct, frozen=True):
    """An upstream answer that is no success."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """Seconds from `retry-after-ms`, `x-ms-retry-after-ms` or `retry-after`, None if unusable.

        The last is a number, or a time after `date`.
        """
        for name, scale in (("retry-after-ms", 1000.0), ("x-ms-retry-after-ms", 1000.0), ("retry-after", 1.0)):
            try:
                seconds = float(self.headers[name]) / scale
            except (KeyError, ValueError):
                continue
            if seconds <= MAX_RETRY_AFTER_S:  # no wait, and not even a header, has room for more
                return max(0.0, seconds)
        try:
            wait = parsedate_to_datetime(self.headers["retry-after"]) - parsedate_to_datetime(self.headers["date"])
        except (KeyError, ValueError, TypeError, OverflowError):
            return None
        seconds = wait.total_seconds()
        return max(0.0, seconds) if seconds <= MAX_RETRY_AFTER_S else None

    @property
    def sent_at_s(self) -> float | None:
        """When the answer was sent by the provider's clock, in Unix seconds; None where it does not say."""
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError, OverflowError):
            return None


ToError = Callable[[Failure], ProviderError]


async def send(
    transport: Transport, call: Call, request: tuple[str, str, Sequence[Header], bytes], to_error: ToError
) -> UpstreamResponse:
    """Send `(method, url, headers, body)`; returns a 2xx answer whose body is unread, raises `to_error`'s otherwise."""
    method, url, headers, body = request
    response = await transport.send(
        Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            timeouts=call.deployment.timeouts,
            deadline=call.deadline,
        )
    )
    if call.on_head is not None:
        call.on_head(response.headers)
    if 200 <= response.status < 300:
        return response
    try:
        data = await response.read(MAX_ERROR_BYTES)
    except ProviderError:
        data = b""  # the status says enough
    finally:
        await response.aclose()
    raise to_error(Failure(response.status, response.headers, data))


async def read_body(response: UpstreamResponse) -> bytes:
    """Return a whole answer and release the connection."""
    try:
        return await response.read()
    finally:
        await response.aclose()


async def read_json(response: UpstreamResponse, decoder: msgspec.json.Decoder[BodyT]) -> BodyT:
    """Read and decode a whole answer; anything but the expected JSON is a `BAD_RESPONSE`."""
    data = await read_body(response)
    try:
        return decoder.decode(data)
    except UNREADABLE:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "The provider's answer is not what its API promises.", status=response.status
        ) from None


class Translator(StreamState, Protocol[ChunkT_co]):
    """One stream's translation: pure, fed with events in order."""

    def feed(self, event: Event) -> Sequence[ChunkT_co]:
        """Return the chunks that an event produces; raises `ProviderError` for an error event."""
        ...

    def finish(self) -> Sequence[ChunkT_co]:
        """Take the end of the stream; raises `ProviderError` where the terminal event is missing."""
        ...


class EventParser(Protocol):
    """Splits a byte stream into events, wherever the reads cut it."""

    def feed(self, data: bytes) -> Iterable[Event]:
        """Return or yield the events that `data` completes; raises `ProviderError` for what is no stream."""
        ...

    def flush(self) -> Iterable[Event]:
        """Return the events that the end of the stream completes."""
        ...


class SseChunkStream(SharedState, Generic[ChunkT]):
    """A `ChunkStream` over a server-sent event stream, or over another framing of events that `parser` knows."""

    def __init__(
        self,
        response: UpstreamResponse,
        translator: Translator[ChunkT],
        dropped_params: tuple[str, ...] = (),
        *,
        parser: EventParser | None = None,
    ) -> None:
        super().__init__(translator)
        self.dropped_params = dropped_params
        self._translator = translator
        self._response = response
        self._parser: EventParser = SseParser() if parser is None else parser
        self._ended = False
        self._error: ProviderError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[ChunkT, ...]:
        while not self._ended:
            data = await self._response.read_chunk()
            chunks = self._translate(data)
            if chunks:
                return tuple(chunks)
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def push(self, take: Callable[[Sequence[ChunkT]], bool]) -> bool:
        """See `ChunkStream`."""

        def translate(data: bytes) -> bool:
            if self._ended:  # an answer may end with the read that brought its error, and `deliver` then says so
                return False
            chunks = self._translate(data)
            return (not chunks or take(chunks)) and not self._ended

        if not self._ended and await self._response.deliver(translate):
            translate(b"")
        if self._error is not None:
            raise self._error
        return self._ended

    def _translate(self, data: bytes) -> list[ChunkT]:
        """Return what `data` (empty: the end) produces; an error waits until the chunks before it are out."""
        translator = self._translator
        chunks: list[ChunkT] = []
        try:
            for event in self._parser.feed(data) if data else self._parser.flush():
                chunks += translator.feed(event)
            if not data or translator.finished:
                self._ended = True
                chunks += translator.finish()
        except ProviderError as error:
            self._ended, self._error = True, error
        except UNREADABLE:
            message = "The provider sent an event that is no valid JSON."
            self._ended, self._error = True, ProviderError(ErrorKind.BAD_RESPONSE, message)
        return chunks

    async def aclose(self) -> None:
        """Release the connection; it stays usable where the stream has finished and ends by itself soon."""
        if self._translator.finished:
            self._response.drain()
        else:
            await self._response.aclose()
