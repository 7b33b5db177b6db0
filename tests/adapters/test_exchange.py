"""What all HTTP adapters share: failures become `ProviderError`, streams end as their translator says."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from msgspec import Struct

from adapters.base import Call, Deployment
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.errors import ErrorKind, ProviderError, kind_of_status
from adapters.exchange import MAX_ERROR_BYTES, Failure, SseChunkStream, read_json, send
from adapters.sse import Event


class Body(Struct):
    a: int


DECODER = msgspec.json.Decoder(Body)
LOST = ProviderError(ErrorKind.CONNECTION, "lost")


def to_error(failure: Failure) -> ProviderError:
    return ProviderError(kind_of_status(failure.status), failure.body.decode(), status=failure.status)


async def post(transport: PlayedTransport):
    deployment = Deployment(id="d", model="m", provider="p", adapter="a", upstream_model="u")
    call = Call(deployment=deployment, request_id="r", deadline=asyncio.get_running_loop().time() + 5)
    return await send(transport, call, ("POST", "http://127.0.0.1/v1", [(b"x-a", b"1")], b"{}"), to_error)


class Numbers:
    """A translator: each event is a number, `stop` ends, `error` fails, `bad` is decoded."""

    def __init__(self) -> None:
        self.usage = None
        self.finished = False
        self.upstream_id = self.upstream_model = self.native_finish_reason = None

    def feed(self, event: Event) -> list[int]:
        if event.data == b"stop":
            self.finished = True
            return []
        if event.data == b"error":
            raise ProviderError(ErrorKind.OVERLOADED, "overloaded")
        return [msgspec.json.decode(event.data)]

    def finish(self) -> list[int]:
        if not self.finished:
            raise ProviderError(ErrorKind.CONNECTION, "no end")
        return [-1]


def events(*data: str) -> bytes:
    return "".join(f"data: {item}\n\n" for item in data).encode()


async def read(*pieces: bytes, failure: ProviderError | None = None):
    response = PlayedResponse(Played(pieces, failure=failure))
    stream = SseChunkStream(response, Numbers())
    batches, error = [], None
    try:
        async for batch in stream:
            batches.append(batch)  # noqa: PERF401 - what came before an error is kept
    except ProviderError as caught:
        error = caught
    await stream.aclose()
    assert response.released
    return batches, error, stream


async def test_send_success_is_returned_unread() -> None:
    transport = PlayedTransport(Played([b'{"a":1}'], status=201))
    response = await post(transport)
    assert (response.status, transport.all_released) == (201, False)
    assert await read_json(response, DECODER) == Body(1)
    assert transport.all_released
    sent = transport.requests[0]
    assert (sent.method, sent.url, sent.headers, sent.body) == (
        "POST",
        "http://127.0.0.1/v1",
        [(b"x-a", b"1")],
        b"{}",
    )


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 529])
async def test_send_failure_is_translated_and_let_go(status: int) -> None:
    transport = PlayedTransport(Played([b"why"], status=status))
    with pytest.raises(ProviderError) as caught:
        await post(transport)
    assert (caught.value.status, caught.value.message, transport.all_released) == (status, "why", True)


@pytest.mark.parametrize("played", [Played([b"cut"], 500, failure=LOST), Played([b"x" * (MAX_ERROR_BYTES + 1)], 500)])
async def test_send_failure_whose_body_cannot_be_read_keeps_its_status(played: Played) -> None:
    transport = PlayedTransport(played)
    with pytest.raises(ProviderError) as caught:
        await post(transport)
    assert (caught.value.kind, caught.value.status, transport.all_released) == (ErrorKind.SERVER_ERROR, 500, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"<html>", b"null", b'{"a":"text"}', b'{"a":1}x', b'{"\xff":1}', b'{"b":' + b"[" * 100_000],
)
async def test_read_json_anything_else_is_a_bad_response(body: bytes) -> None:
    response = PlayedResponse(Played([body]))
    with pytest.raises(ProviderError) as caught:
        await read_json(response, DECODER)
    assert (caught.value.kind, response.released) == (ErrorKind.BAD_RESPONSE, True)


async def test_read_json_lost_connection_is_let_go() -> None:
    response = PlayedResponse(Played([b'{"a"'], failure=LOST))
    with pytest.raises(ProviderError) as caught:
        await read_json(response, DECODER)
    assert (caught.value.kind, response.released) == (ErrorKind.CONNECTION, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"x-ms-retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "1e308"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 9999999999 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "7", "date": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 -0000"}, None),
    ],
)
def test_failure_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert Failure(429, headers, b"").retry_after_s == seconds


async def test_stream_events_of_one_read_are_one_batch() -> None:
    batches, error, stream = await read(events("1", "2"), events("3"), events("stop"))
    assert (batches, error, stream.finished) == ([(1, 2), (3,), (-1,)], None, True)


async def test_stream_read_without_chunks_is_no_batch() -> None:
    batches, _, _ = await read(b": comment\n\n", events("1"), b"data: ", b"2\n\n", events("stop"))
    assert batches == [(1,), (2,), (-1,)]


@pytest.mark.parametrize("bad", ["error", "{", '"\udcff"', "[" * 100_000])
async def test_stream_chunks_before_an_error_in_the_same_read_come_first(bad: str) -> None:
    """TRAPS 19, 20."""
    data = events("1", "2") + f"data: {bad}\n\n".encode("utf-8", "surrogateescape") + events("3", "stop")
    batches, error, stream = await read(data)
    assert batches == [(1, 2)]
    assert error is not None
    assert error.kind is (ErrorKind.OVERLOADED if bad == "error" else ErrorKind.BAD_RESPONSE)
    assert not stream.finished


@pytest.mark.parametrize("failure", [None, LOST])
async def test_stream_without_its_end_fails_after_its_chunks(failure: ProviderError | None) -> None:
    batches, error, stream = await read(events("1"), failure=failure)
    assert (batches, stream.finished) == ([(1,)], False)
    assert error is not None
    assert error.kind is ErrorKind.CONNECTION


async def test_stream_last_event_without_a_blank_line_counts() -> None:
    batches, error, stream = await read(events("1"), b"data: stop")
    assert (batches, error, stream.finished) == ([(1,), (-1,)], None, True)


async def test_stream_stops_reading_at_the_terminal_event() -> None:
    """What comes after the end, even a failing connection, concerns nobody."""
    batches, error, stream = await read(events("1", "stop"), failure=LOST)
    assert (batches, error, stream.finished) == ([(1, -1)], None, True)


async def test_stream_keeps_raising_its_error() -> None:
    stream = SseChunkStream(PlayedResponse(Played([events("error")])), Numbers())
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await anext(stream)
        assert caught.value.kind is ErrorKind.OVERLOADED


async def test_stream_closed_unread_closes_and_closed_finished_drains() -> None:
    class Watched(PlayedResponse):
        ways: list[str]

        async def aclose(self) -> None:
            self.ways.append("close")

        def drain(self) -> None:
            self.ways.append("drain")

    for data, way in ((events("1"), "close"), (events("stop"), "drain")):
        response = Watched(Played([data]))
        response.ways = []
        stream = SseChunkStream(response, Numbers())
        await anext(stream)
        await stream.aclose()
        assert response.ways == [way]


async def test_push_keeps_the_error_that_came_with_the_end_of_the_answer() -> None:
    class Together(PlayedResponse):
        """The last bytes and the end arrive in one read, so that the end is known once the bytes were taken."""

        async def deliver(self, take: Callable[[bytes], bool]) -> bool:
            assert take(events("1", "error")) is False
            return True

    stream = SseChunkStream(Together(Played([])), Numbers())
    pushed: list[int] = []

    def take(chunks: Sequence[int]) -> bool:
        pushed.extend(chunks)
        return True

    with pytest.raises(ProviderError) as caught:
        await stream.push(take)
    assert caught.value.kind is ErrorKind.OVERLOADED
    assert pushed == [1]
