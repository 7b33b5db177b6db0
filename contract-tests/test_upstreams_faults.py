"""Each fault does on the wire what it says, seen from a raw socket."""

import contextlib
import json
import re
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Literal

import pytest
from upstreams import (
    UPSTREAM_KEY,
    Anthropic,
    Dialect,
    Fault,
    Google,
    OpenAI,
    Reply,
    Upstream,
    data_event,
    recordings,
    sse_reply,
)

EVENTS = tuple(data_event({"n": number, "text": "äöü"}) for number in range(4))
STREAM = sse_reply(EVENTS)
BODY = b'{"model":"m","messages":[{"role":"user","content":"p"}],"stream":true}'
PLAIN = BODY.replace(b',"stream":true', b"")


class Wire:
    """One raw client connection. `segments` are the results of single recv calls."""

    def __init__(self, upstream: Upstream) -> None:
        self.socket = socket.create_connection(("127.0.0.1", upstream.port), timeout=5)
        self.segments: list[bytes] = []

    def ask(self, body: bytes = BODY, *extra: str) -> None:
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            "host: mock",
            "content-type: application/json",
            f"authorization: Bearer {UPSTREAM_KEY}",
            f"content-length: {len(body)}",
            *extra,
        ]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def receive(self) -> bytes:
        """Everything until the server closes; ConnectionResetError if it resets."""
        while segment := self.socket.recv(65536):
            self.segments.append(segment)
        return b"".join(self.segments)

    def receive_until(self, end: bytes) -> bytes:
        """Everything until `end` was seen."""
        while end not in b"".join(self.segments):
            segment = self.socket.recv(65536)
            assert segment, b"".join(self.segments)
            self.segments.append(segment)
        return b"".join(self.segments)


@contextlib.contextmanager
def wire(upstream: Upstream) -> Iterator[Wire]:
    opened = Wire(upstream)
    with opened.socket:
        yield opened


def chunks(received: bytes) -> tuple[bytes, list[bytes], bool]:
    """Head, HTTP chunks, and whether the last chunk came."""
    head, _, rest = received.partition(b"\r\n\r\n")
    found: list[bytes] = []
    while match := re.match(rb"([0-9a-f]+)\r\n", rest):
        size = int(match[1], 16)
        data, rest = rest[match.end() : match.end() + size], rest[match.end() + size + 2 :]
        if not size:
            return head, found, True
        found.append(data)
    return head, found, False


def exchange(upstream: Upstream, fault: Fault, reply: Reply | None = STREAM, body: bytes = BODY) -> bytes:
    upstream.script(reply, fault=fault)
    with wire(upstream) as client:
        client.ask(body, "connection: close")
        return client.receive()


def test_no_fault_sends_one_chunk_per_event(openai_upstream: Upstream) -> None:
    head, found, ended = chunks(exchange(openai_upstream, Fault()))
    assert (found, ended) == (list(EVENTS), True)
    assert b"content-type: text/event-stream" in head
    assert openai_upstream.exchanges[0].completed
    assert openai_upstream.exchanges[0].events_sent == 4


@pytest.mark.parametrize("size", [1, 3])
def test_split_sends_that_many_bytes_per_chunk(openai_upstream: Upstream, size: int) -> None:
    _, found, ended = chunks(exchange(openai_upstream, Fault(split=size)))
    assert b"".join(found) == b"".join(EVENTS)
    assert {len(piece) for piece in found} <= set(range(1, size + 1))
    assert ended


def test_split_with_delay_arrives_as_single_segments(openai_upstream: Upstream) -> None:
    openai_upstream.script(sse_reply((b"data: 1\n\n",)), fault=Fault(split=1, chunk_delay_s=0.01))
    with wire(openai_upstream) as client:
        client.ask(BODY, "connection: close")
        client.receive()
        carrying = [segment for segment in client.segments if re.fullmatch(rb"1\r\n.\r\n", segment, re.DOTALL)]
    # The first may come with the head, the last with the end mark, and a loaded machine may join a few.
    assert len(carrying) >= 5


@pytest.mark.parametrize("fault", [Fault(first_byte_delay_s=0.15), Fault(first_chunk_delay_s=0.15)])
def test_delay_holds_back_head_or_first_chunk(openai_upstream: Upstream, fault: Fault) -> None:
    openai_upstream.script(STREAM, fault=fault)
    with wire(openai_upstream) as client:
        started = time.monotonic()
        client.ask()
        client.receive_until(b"\r\n\r\n")
        head_after = time.monotonic() - started
        client.receive_until(EVENTS[0])
        event_after = time.monotonic() - started
    assert event_after >= 0.15
    assert (head_after >= 0.15) is bool(fault.first_byte_delay_s)


def test_chunk_delay_spreads_events_over_time(openai_upstream: Upstream) -> None:
    started = time.monotonic()
    exchange(openai_upstream, Fault(chunk_delay_s=0.05))
    assert time.monotonic() - started >= 0.15


def test_stall_sends_nothing_more_until_the_client_closes(openai_upstream: Upstream) -> None:
    openai_upstream.script(STREAM, fault=Fault(stall_after=2))
    with wire(openai_upstream) as client:
        client.ask()
        client.receive_until(EVENTS[1])
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        assert openai_upstream.open_connections == 1
        closing = time.monotonic()
    openai_upstream.wait_for(lambda: openai_upstream.open_connections == 0)
    stalled = openai_upstream.exchanges[0]
    assert stalled.client_closed_at is not None
    assert 0 <= stalled.client_closed_at - closing < 1
    assert (stalled.completed, stalled.events_sent) == (False, 2)


def test_client_close_while_streaming_is_noted_and_stops_the_writes(openai_upstream: Upstream) -> None:
    openai_upstream.script(sse_reply(EVENTS * 100), fault=Fault(chunk_delay_s=0.01))
    with wire(openai_upstream) as client:
        client.ask()
        client.receive_until(EVENTS[0])
    openai_upstream.wait_for(lambda: openai_upstream.exchanges[0].client_closed_at is not None)
    assert openai_upstream.exchanges[0].events_sent < 100
    assert not openai_upstream.exchanges[0].completed


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(cut_after=2), b"".join(EVENTS[:2])),
        (Fault(cut_after=0), b""),
        (Fault(cut_after_bytes=5), EVENTS[0][:5]),
        (Fault(cut_fraction=0.5), b"".join(EVENTS)[: len(b"".join(EVENTS)) // 2]),
        (Fault(missing_bytes=3), b"".join(EVENTS)[:-3]),
    ],
)
def test_cut_closes_cleanly_after_what_was_sent(openai_upstream: Upstream, fault: Fault, expected: bytes) -> None:
    _, found, ended = chunks(exchange(openai_upstream, fault))
    assert b"".join(found) == expected
    assert not ended
    assert not openai_upstream.exchanges[0].completed
    assert openai_upstream.exchanges[0].client_closed_at is None


def test_cut_with_rst_resets_the_connection(openai_upstream: Upstream) -> None:
    with pytest.raises(ConnectionResetError):
        exchange(openai_upstream, Fault(cut_after=1, cut_with="rst"))


def test_missing_bytes_of_a_plain_body_break_the_promised_length(openai_upstream: Upstream) -> None:
    received = exchange(openai_upstream, Fault(missing_bytes=10), None, PLAIN)
    head, _, body = received.partition(b"\r\n\r\n")
    promised = re.search(rb"content-length: (\d+)", head)
    assert promised is not None
    assert int(promised[1]) == len(body) + 10


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [(OpenAI(), "server_error"), (Anthropic(), "overloaded_error"), (Google(), "UNAVAILABLE")],
)
def test_error_event_ends_a_200_stream_in_the_dialects_form(dialect: Dialect, expected: str) -> None:
    with Upstream(dialect) as upstream:
        upstream.script(recordings(dialect=dialect.name, streamed=True, status=200)[0], fault=Fault(error_event_at=1))
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "p"}], "stream": True}
        path = "/v1/messages" if dialect.name == "anthropic" else "/v1/chat/completions"
        if dialect.name == "google":
            body = {"contents": [{"role": "user", "parts": [{"text": "p"}]}]}
            path = "/v1beta/models/m:streamGenerateContent?alt=sse"
        encoded = json.dumps(body).encode()
        with wire(upstream) as client:
            head = (
                f"POST {path} HTTP/1.1\r\nhost: mock\r\ncontent-type: application/json\r\nconnection: close\r\n"
                f"authorization: Bearer {UPSTREAM_KEY}\r\nanthropic-version: 2023-06-01\r\n"
                f"x-goog-api-key: {UPSTREAM_KEY}\r\ncontent-length: {len(encoded)}\r\n\r\n"
            )
            if dialect.name != "anthropic":
                head = head.replace("anthropic-version: 2023-06-01\r\n", "")
            client.socket.sendall(head.encode() + encoded)
            received_head, found, ended = chunks(client.receive())
        assert upstream.problems == []
    assert received_head.startswith(b"HTTP/1.1 200 ")
    assert ended
    assert len(found) == 2
    assert expected in found[1].decode()


def test_error_429_carries_retry_after_in_the_dialects_form(openai_upstream: Upstream) -> None:
    received = exchange(openai_upstream, Fault(error=429, retry_after="7"))
    assert received.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 7\r\n" in received
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "rate_limit_exceeded"


def test_error_529_is_anthropics_overload(anthropic_upstream: Upstream) -> None:
    assert anthropic_upstream.dialect.error(529).body.startswith(b'{"type":"error","error":{"type":"overloaded_error"')


def test_corrupt_json_breaks_one_event_only(openai_upstream: Upstream) -> None:
    _, found, ended = chunks(exchange(openai_upstream, Fault(corrupt="json", corrupt_at=1)))
    assert ended
    assert found[1].endswith(b"\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(found[1].removeprefix(b"data: "))
    assert [found[0], found[2], found[3]] == [EVENTS[0], EVENTS[2], EVENTS[3]]


def test_corrupt_utf8_puts_invalid_bytes_into_a_string(openai_upstream: Upstream) -> None:
    _, found, _ = chunks(exchange(openai_upstream, Fault(corrupt="utf8", corrupt_at=2)))
    with pytest.raises(UnicodeDecodeError):
        found[2].decode()
    assert json.loads(found[2].removeprefix(b"data: ").decode(errors="ignore"))["n"] == 2


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        (Fault(page="html", page_status=502), b"502", b"text/html", b"<html>"),
        (Fault(page="html"), b"200", b"text/html", b"<html>"),
        (Fault(page="empty"), b"200", b"application/json", b""),
    ],
)
def test_page_replaces_the_answer(
    openai_upstream: Upstream, fault: Fault, status: bytes, content_type: bytes, body: bytes
) -> None:
    head, _, received = exchange(openai_upstream, fault).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: " + content_type in head
    assert received[:6] == body


def test_content_type_is_replaced(openai_upstream: Upstream) -> None:
    assert b"content-type: text/plain\r\n" in exchange(openai_upstream, Fault(content_type="text/plain"))


def test_crlf_and_comments_change_the_framing_not_the_data(openai_upstream: Upstream) -> None:
    _, found, _ = chunks(exchange(openai_upstream, Fault(crlf=True, comments=True)))
    assert all(piece.startswith(b": keep-alive\r\n\r\ndata: ") and piece.endswith(b"\r\n\r\n") for piece in found)
    assert b"".join(found).count(b"\n") == b"".join(found).count(b"\r\n")


def test_gzip_lets_every_event_be_read_when_it_arrives(openai_upstream: Upstream) -> None:
    head, found, ended = chunks(exchange(openai_upstream, Fault(gzip=True)))
    assert b"content-encoding: gzip" in head
    assert ended
    unpacker = zlib.decompressobj(wbits=31)
    assert [unpacker.decompress(piece) for piece in found][:4] == list(EVENTS)


def test_connection_close_ends_the_connection_after_the_answer(openai_upstream: Upstream) -> None:
    openai_upstream.script(STREAM, fault=Fault(connection_close=True))
    with wire(openai_upstream) as client:
        client.ask()
        received = client.receive()
    assert b"connection: close\r\n" in received
    assert chunks(received)[2]


def test_close_idle_closes_a_kept_connection_after_a_while(openai_upstream: Upstream) -> None:
    openai_upstream.script(STREAM, fault=Fault(close_idle_after_s=0.1))
    with wire(openai_upstream) as client:
        client.ask()
        client.receive_until(b"0\r\n\r\n")
        answered = time.monotonic()
        assert client.socket.recv(1) == b""
        assert time.monotonic() - answered >= 0.08


def test_keep_alive_serves_many_requests_on_one_connection(openai_upstream: Upstream) -> None:
    with wire(openai_upstream) as client:
        for _ in range(3):
            openai_upstream.script(STREAM)
            client.segments.clear()
            client.ask()
            client.receive_until(b"0\r\n\r\n")
    assert len(openai_upstream.connections) == 1
    assert {request.connection for request in openai_upstream.requests} == {0}


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_no_response_closes_after_the_request_without_a_byte(
    openai_upstream: Upstream, how: Literal["fin", "rst"]
) -> None:
    fault = Fault(no_response=True, cut_with=how)
    if how == "rst":
        with pytest.raises(ConnectionResetError):
            exchange(openai_upstream, fault)
    else:
        assert exchange(openai_upstream, fault) == b""
    assert len(openai_upstream.requests) == 1


def test_close_delimited_body_ends_with_the_connection(openai_upstream: Upstream) -> None:
    head, _, body = exchange(openai_upstream, Fault(close_delimited=True)).partition(b"\r\n\r\n")
    assert body == b"".join(EVENTS)
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert openai_upstream.exchanges[0].completed


def test_split_wire_changes_no_byte(openai_upstream: Upstream) -> None:
    assert exchange(openai_upstream, Fault(split_wire=1)) == exchange(openai_upstream, Fault())


def test_informational_responses_come_before_the_answer(openai_upstream: Upstream) -> None:
    received = exchange(openai_upstream, Fault(informational=(100, 103)))
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", received)
    assert statuses == [b"100", b"103", b"200"]


def test_expect_continue_is_answered_before_the_body(openai_upstream: Upstream) -> None:
    openai_upstream.script(STREAM)
    with wire(openai_upstream) as client:
        client.ask(b"", "expect: 100-continue", "x: y")
        assert client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 Continue")


def test_server_refuses_malformed_requests_and_says_so() -> None:
    with Upstream(OpenAI()) as upstream:
        for head in (
            b"GET /v1/models HTTP/1.1\r\n\r\n",
            b"GET /v1/models\x00 HTTP/1.1\r\nhost: a\r\n\r\n",
            b"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        ):
            with wire(upstream) as client:
                client.socket.sendall(head)
                assert client.receive().startswith(b"HTTP/1.1 400 ")
        assert len(upstream.problems) == 3


def test_recording_that_does_not_fit_the_request_is_a_problem() -> None:
    with Upstream(OpenAI()) as upstream:
        upstream.script(recordings("chat.completions", streamed=False, status=200)[0])
        with wire(upstream) as client:
            client.ask(BODY, "connection: close")
            assert client.receive().startswith(b"HTTP/1.1 500 ")
        assert len(upstream.problems) == 1
        assert "cannot answer chat.completions (streamed: True)" in upstream.problems[0]
