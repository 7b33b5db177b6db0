"""The server-sent event parser against the specification, and against every way in which reads cut a stream."""

from codecs import BOM_UTF8
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import sse
from adapters.errors import ErrorKind, ProviderError
from adapters.sse import Event, SseParser


def parse(*pieces: bytes) -> list[Event]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.flush()


def test_parser_data_lines_become_events() -> None:
    assert parse(b'data: {"a":1}\n\ndata: [DONE]\n\n') == [Event(b"", b'{"a":1}'), Event(b"", b"[DONE]")]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"event: ping\ndata: {}\n\n", [Event(b"ping", b"{}")]),
        (b"data:{}\n\n", [Event(b"", b"{}")]),
        (b"data:  {}\n\n", [Event(b"", b" {}")]),
        (b"data: a\ndata: b\n\n", [Event(b"", b"a\nb")]),
        (b"data\n\n", [Event(b"", b"")]),
        (b": comment\n\n", []),
        (b": OPENROUTER PROCESSING\n\ndata: x\n\n", [Event(b"", b"x")]),
        (b": comment\ndata: x\n\n", [Event(b"", b"x")]),
        (b"id: 7\nretry: 10\nunknown: y\ndata: x\n\n", [Event(b"", b"x")]),
        (b"event: lonely\n\ndata: x\n\n", [Event(b"", b"x")]),
        (b"\n\n\ndata: x\n\n\n\ndata: y\n\n", [Event(b"", b"x"), Event(b"", b"y")]),
        (b"data: no end", [Event(b"", b"no end")]),
        (b"data: no end\n", [Event(b"", b"no end")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"data: a\r\rdata: b\r\r", [Event(b"", b"a"), Event(b"", b"b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [Event(b"", b"a"), Event(b"", b"b")]),
        (BOM_UTF8 + b"data: x\n\n", [Event(b"", b"x")]),
        (b"\xef\xbb", []),
        (b"data: \xc3\xa4\n\n", [Event(b"", b"\xc3\xa4")]),
        (b"", []),
    ],
)
def test_parser_forms_of_the_specification_are_read_however_cut(stream: bytes, expected: list[Event]) -> None:
    assert parse(stream) == expected
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == expected
    for cut in range(len(stream) + 1):
        assert parse(stream[:cut], stream[cut:]) == expected


LINE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)
EVENT = st.tuples(st.sampled_from(["", "delta", "ping"]), st.lists(LINE, min_size=1, max_size=3))


@given(
    events=st.lists(EVENT, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    comment=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_parser_any_stream_cut_anywhere_gives_what_was_written(events, end, comment, cuts) -> None:
    blocks = [
        ([f"event: {name}"] if name else []) + [": hm"] * comment + [f"data: {line}" for line in lines]
        for name, lines in events
    ]
    stream = "".join(end.join(block) + end + end for block in blocks).encode()
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert parse(*pieces) == [Event(name.encode(), "\n".join(lines).encode()) for name, lines in events]


WORDS = [b"\n", b"\n\n", b"\r", b"\r\n", b"data: ", b"data:", b"event: e", b":", b"x", b"\xc3\xa4", BOM_UTF8, b"\xef"]
ANYTHING = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=40).map(b"".join)


@given(stream=ANYTHING, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_parser_any_bytes_cut_anywhere_give_the_same_as_whole(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    assert parse(*(stream[a:b] for a, b in pairwise(edges))) == parse(stream)


@pytest.mark.parametrize("document", [b'{"error":\n\n{"message":"data: x"}}', b'[{"error":{}}]\n', b'{"a"'])
@pytest.mark.parametrize("mark", [b"", BOM_UTF8])
def test_parser_document_in_the_place_of_a_stream_is_one_event(document: bytes, mark: bytes) -> None:
    """Servers report failures as JSON under status 200, with either content type."""
    stream = mark + document
    assert parse(stream) == parse(*(stream[i : i + 1] for i in range(len(stream)))) == [Event(b"", document)]


def test_parser_document_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    parser = SseParser()
    parser.feed(b"{" * 900)
    with pytest.raises(ProviderError) as caught:
        parser.feed(b"{" * 200)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_parser_events_of_one_read_come_together() -> None:
    assert len(SseParser().feed(b"data: x\n\n" * 100)) == 100


def test_parser_event_is_given_out_as_soon_as_it_ends() -> None:
    parser = SseParser()
    assert parser.feed(b"data: x\n") == []
    assert parser.feed(b"\n") == [Event(b"", b"x")]
    assert parser.feed(b"data: y\r\n\r") == [Event(b"", b"y")]
    assert parser.feed(b"\ndata: z\r\n\r\n") == [Event(b"", b"z")]


def test_parser_event_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    parser = SseParser()
    for _ in range(17):
        assert parser.feed(b"data: " + b"x" * 50) == []
    with pytest.raises(ProviderError) as caught:
        parser.feed(b"data: " + b"x" * 200)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
