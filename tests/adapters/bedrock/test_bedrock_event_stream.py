"""The binary framing: every cut of the bytes, both checksums, headers of every type, lengths that lie."""

import contextlib
from binascii import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bedrock.event_stream import MAX_FRAME_BYTES, EventStreamParser
from adapters.errors import ErrorKind, ProviderError
from adapters.sse import Event
from tests.adapters.bedrock.frames import event, frame, header

# The example of a message with no headers and no payload, and of one with both, as AWS's own test suites have them.
EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")
WITH_HEADER = bytes.fromhex(
    "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
    "7b27666f6f273a27626172277d8d9c08b1"
)
FRAMES = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Grüße"}}),
    event("throttlingException", {"message": "Too many tokens"}, "exception"),
]
EVENTS = [
    Event(b"messageStart", b'{"role": "assistant"}'),
    Event(b"contentBlockDelta", '{"contentBlockIndex": 0, "delta": {"text": "Grüße"}}'.encode()),
    Event(b"exception:throttlingException", b'{"message": "Too many tokens"}'),
]


def parse(*pieces: bytes) -> list[Event]:
    parser = EventStreamParser()
    found = [one for piece in pieces for one in parser.feed(piece)]
    return [*found, *parser.flush()]


def test_frames_published_as_examples_are_read() -> None:
    assert parse(EMPTY) == [Event(b"", b"")]
    assert parse(WITH_HEADER) == [Event(b"", b"{'foo':'bar'}")]


def test_frames_cut_at_every_byte_give_the_same_events() -> None:
    data = b"".join(FRAMES)
    assert parse(*(data[index : index + 1] for index in range(len(data)))) == EVENTS
    for cut in range(len(data)):
        assert parse(data[:cut], data[cut:]) == EVENTS


def test_frame_with_any_bit_turned_over_is_refused_or_waits_for_more() -> None:
    data = FRAMES[1]
    for position in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[position] ^= 1 << bit
            with pytest.raises(ProviderError) as caught:
                parse(bytes(broken))
            assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_broken_frame_comes_after_the_events_before_it() -> None:
    events = iter(EventStreamParser().feed(FRAMES[0] + b"<html>502 Bad Gateway</html>"))
    assert next(events) == EVENTS[0]
    with pytest.raises(ProviderError):
        next(events)


def test_frame_cut_at_the_end_is_no_event() -> None:
    for cut in range(len(FRAMES[1])):
        assert parse(FRAMES[0], FRAMES[1][:cut]) == EVENTS[:1]


def test_headers_of_every_type_are_stepped_over() -> None:
    others = b"".join(
        bytes([1]) + b"h" + bytes([kind]) + value
        for kind, value in enumerate(
            (b"", b"", b"1", b"12", b"1234", b"12345678", b"\0\3abc", b"\0\2de", b"12345678", b"1" * 16)
        )
    )
    assert parse(frame(b"{}", others + header(":event-type", "news") + others)) == [Event(b"news", b"{}")]


@pytest.mark.parametrize(
    "headers", [b"\x01", b"\x05ab", b"\x01a\x0a", b"\x01a\x07\x00\x09x", b"\x01a\x05\x00", b"\x01a\x07\x00", b"\x01a"]
)
def test_headers_that_lie_about_their_length_are_refused(headers: bytes) -> None:
    with pytest.raises(ProviderError):
        parse(frame(b"{}", headers))


@pytest.mark.parametrize(
    ("total", "headers"), [(MAX_FRAME_BYTES + 1, 0), (15, 0), (20, 5), (0, 0), (2**32 - 1, 2**32 - 1)]
)
def test_lengths_out_of_bounds_are_refused_before_the_frame_arrives(total: int, headers: int) -> None:
    prelude = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
    with pytest.raises(ProviderError):
        parse(prelude + crc32(prelude).to_bytes(4, "big"))


def test_error_message_becomes_an_exception_event() -> None:
    headers = header(":message-type", "error") + header(":error-code", "Throttled") + header(":error-message", 'a "b"')
    assert parse(frame(b"", headers)) == [Event(b"exception:Throttled", b'{"message":"a \\"b\\""}')]


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_provider_errors(data: bytes) -> None:
    with contextlib.suppress(ProviderError):
        assert parse(FRAMES[0], data)[0] == EVENTS[0]
