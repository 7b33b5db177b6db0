"""HTTP/1.1 below any SDK: framing, connections, media types and the exact headers of an answer, by plain bytes."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import wait_until
from upstreams import Fault

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
SLOW = "[echo tokens=4 delay_ms=100] go"
COMMON = {
    "date", "content-type", "content-length", "x-request-id", "openai-processing-ms", "openai-version",
    "x-aqueduct-overhead-ms",
}  # fmt: skip
SERVED = {
    "openai-organization", "x-aqueduct-model", "x-aqueduct-provider", "x-aqueduct-deployment", "x-aqueduct-attempts",
}  # fmt: skip
DONE = b"data: [DONE]\n\n"


def body_of(**fields: object) -> bytes:
    return json.dumps({**HELLO, **fields}).encode()


def chat(*headers: tuple[str, str], token: str | None = TOKEN, path: str = CHAT, **fields: object) -> bytes:
    return request_bytes(path, body_of(**fields), token=token, headers=headers)


def old(request: bytes) -> bytes:
    """The same request in HTTP/1.0."""
    return request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)


def to_the_end(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Send a request and read until the server closes; returns head and body as they came."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=15.0) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


def is_closed(connection: Connection) -> bool:
    return connection.socket.recv(1) == b""


# --- the end of a connection


def test_old_client_gets_a_whole_answer_and_the_connection_ends(gateway: RunningGateway) -> None:
    for request in (chat(), chat(("connection", "keep-alive")), chat(token=None)):
        head, body = to_the_end(gateway.port, old(request))

        assert b"\r\nconnection: close" in head
        assert f"\r\ncontent-length: {len(body)}".encode() in head
        assert json.loads(body)


def test_old_client_gets_a_stream_without_chunks_up_to_the_end_of_the_connection(gateway: RunningGateway) -> None:
    head, body = to_the_end(gateway.port, old(chat(stream=True)))

    assert b"transfer-encoding" not in head, "a client of HTTP/1.0 does not know chunks"
    assert b"\r\nconnection: close" in head
    assert body.endswith(DONE)
    assert {line[:6] for line in body.split(b"\n") if line} == {b"data: "}


def test_old_client_is_told_of_a_stream_that_fails(gateway: RunningGateway) -> None:
    message = {"role": "user", "content": "[echo tokens=9 after=2 status=500] go"}

    _, body = to_the_end(gateway.port, old(chat(stream=True, messages=[message])))

    *_, error, done, end = body.split(b"\n\n")
    assert error.startswith(b'data: {"error":{')
    assert (done, end) == (b"data: [DONE]", b"")


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "TE, close"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_connection_ends_where_the_client_wants_it(gateway: RunningGateway, value: str, stream: bool) -> None:
    with Connection(gateway.port) as connection:
        connection.send(chat(("connection", value), stream=stream))
        answer = connection.answer()

        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert is_closed(connection)


def test_connection_is_kept_over_answers_of_every_kind(gateway: RunningGateway) -> None:
    with Connection(gateway.port) as connection:
        for _ in range(2):
            for request, status in (
                (chat(), 200),
                (chat(stream=True), 200),
                (chat(model="nothing"), 404),
                (chat(token=None), 401),
                (request_bytes(CHAT, b"{", token=TOKEN), 400),
                (request_bytes("/v1/models", token=TOKEN, method="GET"), 200),
            ):
                connection.send(request)
                answer = connection.answer()
                assert answer.status == status
                assert "connection" not in answer.headers


def test_pipelined_streams_and_answers_come_one_after_the_other(gateway: RunningGateway) -> None:
    message = {"role": "user", "content": SLOW}
    requests = [
        chat(stream=True, messages=[message]),
        chat(),
        request_bytes("/v1/models", token=TOKEN, method="GET"),
        chat(stream=True),
        chat(token=None),
    ]
    with Connection(gateway.port) as connection:
        connection.send(b"".join(requests))
        answers = [connection.answer() for _ in requests]

    assert [answer.status for answer in answers] == [200, 200, 200, 200, 401]
    assert [answer.body.endswith(DONE) for answer in answers] == [True, False, False, True, False]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(requests)


# --- the body of a request


def test_client_that_waits_for_100_is_told_to_go_on(gateway: RunningGateway) -> None:
    with Connection(gateway.port) as connection:
        head, _, body = chat(("expect", "100-continue")).partition(b"\r\n\r\n")
        connection.send(head + b"\r\n\r\n")
        assert connection.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)

        assert connection.answer().status == 200


@pytest.mark.parametrize(("refused", "status"), [("token", 401), ("size", 413), ("type", 415)])
def test_client_that_waits_for_100_is_refused_before_it_sends(
    gateway: RunningGateway, refused: str, status: int
) -> None:
    size = gateway.settings.max_body_bytes + 1 if refused == "size" else 100
    lines = [f"POST {CHAT} HTTP/1.1", "host: x", "expect: 100-continue", f"content-length: {size}"]
    lines.append(f"content-type: {'text/plain' if refused == 'type' else 'application/json'}")
    lines.append(f"authorization: Bearer {'nobody' if refused == 'token' else TOKEN}")

    answer = ask(gateway.port, "\r\n".join(lines).encode() + b"\r\n\r\n")

    assert answer.status == status
    assert answer.error()["type"] == "invalid_request_error"


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    head = request_bytes(CHAT, token=TOKEN, headers=(("transfer-encoding", "chunked"),))
    return head + b"".join(pieces) + b"0\r\n" + trailer + b"\r\n"


def test_chunks_with_extensions_and_trailers_are_taken(gateway: RunningGateway) -> None:
    body = body_of()
    pieces = (b"%x;name=value\r\n%b\r\n" % (20, body[:20]), b"%X\r\n%b\r\n" % (len(body) - 20, body[20:]))

    with Connection(gateway.port) as connection:
        connection.send(chunked(*pieces, trailer=b"x-trailer: 1\r\n") + chat())
        assert [connection.answer().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("piece", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n", b"-1\r\na\r\n"])
def test_chunks_that_are_none_are_a_400_and_end_the_connection(gateway: RunningGateway, piece: bytes) -> None:
    with Connection(gateway.port) as connection:
        connection.send(chunked(piece))
        answer = connection.answer()

        assert (answer.status, answer.error()["code"]) == (400, "invalid_http")
        assert answer.headers["connection"] == "close"
        assert is_closed(connection)


def test_garbage_behind_a_pipelined_request_spoils_no_earlier_answer(gateway: RunningGateway) -> None:
    message = {"role": "user", "content": SLOW}
    with Connection(gateway.port) as connection:
        connection.send(chat(stream=True, messages=[message]))
        connection.read_until(b'"content":"')
        connection.send(chunked(b"zz\r\n"))
        rest = b""
        while piece := connection.socket.recv(65536):
            rest += piece

    assert b"HTTP/1.1" not in rest, "an answer inside the stream"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("APPLICATION/JSON", 200),
        ("application/json;charset=utf-8", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json ; charset=iso-8859-1", 200),  # JSON has no such parameter: it is UTF-8
        ("application/vnd.api+json", 200),
        ("", 415),
        ("json", 415),
        ("application/jsonx", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("text/json", 415),
    ],
)
def test_media_type_decides(gateway: RunningGateway, content_type: str | None, status: int) -> None:
    answer = ask(gateway.port, request_bytes(CHAT, body_of(), token=TOKEN, content_type=content_type))

    assert answer.status == status
    if status == 415:
        assert answer.error()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-nothing", "gzip, identity"])
def test_compressed_body_is_refused_whatever_the_method(gateway: RunningGateway, encoding: str) -> None:
    answer = ask(gateway.port, chat(("content-encoding", encoding)))

    assert (answer.status, answer.error()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_body_that_is_called_uncompressed_is_taken(gateway: RunningGateway, encoding: str) -> None:
    assert ask(gateway.port, chat(("content-encoding", encoding))).status == 200


# --- the target


@pytest.mark.parametrize(
    "path",
    [
        f"{CHAT}/", f"{CHAT}?api-version=2024-10-21", "/chat/completions", f"http://any.example{CHAT}", f"/{CHAT}",
        "/v1/chat%2fcompletions",
    ],
)  # fmt: skip
def test_path_is_found_in_every_form_that_clients_write(gateway: RunningGateway, path: str) -> None:
    assert ask(gateway.port, chat(path=path)).status == 200


@pytest.mark.parametrize("path", ["/v1/v1/models", "/V1/models", "/v1/../v1/models", "/v1/models;x", "/v2/models", "*"])
def test_other_paths_are_a_404_in_the_one_form(gateway: RunningGateway, path: str) -> None:
    method = "OPTIONS" if path == "*" else "GET"

    answer = ask(gateway.port, request_bytes(path, token=TOKEN, method=method))

    assert (answer.status, answer.error()["code"]) == (404, "unknown_url")


# --- the headers of an answer


def ids_of(answer: Answer) -> str:
    found = answer.headers["x-request-id"]
    assert UUID(found).version == 7
    return found


def test_whole_answer_has_these_headers_and_no_others(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, chat())

    assert set(answer.headers) == COMMON | SERVED | {"x-aqueduct-usage-source"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["openai-organization"] == "demo"
    assert answer.headers["x-aqueduct-model"] == answer.headers["x-aqueduct-provider"] == "echo"
    assert answer.headers["x-aqueduct-attempts"] == "1"
    assert answer.headers["x-aqueduct-usage-source"] == "provider"
    assert re.fullmatch(r"\d+", answer.headers["openai-processing-ms"])
    assert re.fullmatch(r"\d+\.\d{3}", answer.headers["x-aqueduct-overhead-ms"])
    UUID(answer.headers["x-aqueduct-deployment"])


def test_stream_has_these_headers_and_no_others(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, chat(("accept-encoding", "gzip, deflate, br, zstd"), stream=True))

    framing = {"transfer-encoding", "cache-control", "x-accel-buffering"}
    assert set(answer.headers) == (COMMON - {"content-length"}) | SERVED | framing
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_refusal_tells_of_nothing_that_was_not_reached(gateway: RunningGateway) -> None:
    stranger = ask(gateway.port, chat(token="nobody"))
    unknown = ask(gateway.port, chat(model="nothing"))
    wrong = ask(gateway.port, chat(stream=True, temperature="hot"))

    assert set(stranger.headers) - {"www-authenticate"} == COMMON
    assert set(unknown.headers) == set(wrong.headers) == COMMON | {"openai-organization"}


# --- time in the gateway itself


def overhead(gateway: RunningGateway, what: str) -> float:
    """The metric of the echo model's chats: their `count`, or the `sum` of seconds."""
    labels = {"endpoint": CHAT, "model": "echo"}
    return gateway.parts.metrics.registry.get_sample_value(f"aqueduct_overhead_seconds_{what}", labels) or 0.0


@contextmanager
def little_overhead(gateway: RunningGateway) -> Iterator[None]:
    """One request, whose overhead is below a second."""
    count, seconds = overhead(gateway, "count"), overhead(gateway, "sum")
    yield
    wait_until(lambda: overhead(gateway, "count") == count + 1, 5.0, "the request is counted")
    assert overhead(gateway, "sum") - seconds < 1.0


def test_time_of_a_stream_is_no_overhead(gateway: RunningGateway) -> None:
    message = {"role": "user", "content": "[echo tokens=10 delay_ms=150] go"}

    with little_overhead(gateway):
        answer = ask(gateway.port, chat(stream=True, messages=[message]))

    assert answer.body.endswith(DONE)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_time_that_the_client_takes_for_its_body_is_no_overhead(gateway: RunningGateway, stream: bool) -> None:
    request = chat(stream=stream)
    with little_overhead(gateway), Connection(gateway.port) as connection:
        connection.send(request[:-10])
        time.sleep(1.5)
        connection.send(request[-10:])
        answer = connection.answer()

    assert float(answer.headers["x-aqueduct-overhead-ms"]) < 1000
    assert int(answer.headers["openai-processing-ms"]) >= 1400


def test_time_that_the_provider_is_silent_is_no_overhead(gateway: RunningGateway) -> None:
    message = {"role": "user", "content": "[echo tokens=1 first_ms=2500] go"}

    answer = ask(gateway.port, chat(stream=True, messages=[message]))

    assert answer.body.startswith(b": ping"), "the head came before the first content"
    assert float(answer.headers["x-aqueduct-overhead-ms"]) < 900


def test_pause_between_attempts_is_no_overhead(gateway: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, fault=Fault(error=429, retry_after="3"))

    answer = ask(gateway.port, chat(model="gpt"))

    assert answer.headers["x-aqueduct-attempts"] == "2"
    assert int(answer.headers["openai-processing-ms"]) >= 2900
    assert float(answer.headers["x-aqueduct-overhead-ms"]) < 2000


def test_request_id_is_the_servers_and_the_clients_own_is_kept_beside_it(gateway: RunningGateway) -> None:
    own = (("x-request-id", "theirs"), ("x-client-request-id", "mine"))
    answers = [
        ask(gateway.port, chat(*own)),
        ask(gateway.port, chat(*own, stream=True)),
        ask(gateway.port, chat(*own, model="nothing")),
        ask(gateway.port, chat(("x-request-id", "theirs"))),
        ask(gateway.port, chat(("x-request-id", "x" * 129))),
    ]

    kept = {str(row["id"]): row["client_request_id"] for row in gateway.rows(len(answers))}
    assert [kept[ids_of(answer)] for answer in answers] == ["mine", "mine", "mine", "theirs", None]
    assert all("mine" not in answer.headers.values() for answer in answers)
