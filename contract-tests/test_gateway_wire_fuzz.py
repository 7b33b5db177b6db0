"""Bytes that are hardly HTTP, heads that lie and clients that are slow on purpose break nothing for others."""

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gateway_fixtures import Mocks, fresh_database, providers_yaml
from raw_http import Connection, ask, request_bytes
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
HELLO: dict[str, object] = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


@contextmanager
def others_are_served(gateway: RunningGateway) -> Iterator[None]:
    """Ask for small answers all the while; every one must come."""
    failures: list[str] = []
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            try:
                answer = ask(gateway.port, request_bytes(CHAT, json.dumps(HELLO).encode(), token=TOKEN), timeout_s=5.0)
                if answer.status != 200:
                    failures.append(str(answer.status))
            except (OSError, EOFError) as error:
                failures.append(repr(error))
            time.sleep(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=10)
    assert failures == []


def outcome(port: int, data: bytes, *, timeout_s: float = 3.0, end: bool = True) -> bytes:
    """Send bytes, end the sending side, and return all that comes back until the server closes or is silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
    return received


def statuses(received: bytes) -> list[int]:
    return [int(line[9:12]) for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


VALID = request_bytes(CHAT, json.dumps(HELLO).encode(), token=TOKEN)


def test_random_bytes_break_nothing(gateway: RunningGateway) -> None:
    source = random.Random(20)
    with others_are_served(gateway):
        for _ in range(60):
            data = source.randbytes(source.randint(1, 3000))
            if source.random() < 0.5:
                place = source.randint(0, len(VALID) - 1)
                data = VALID[:place] + data[:20] + VALID[place + source.randint(0, 20) :]
            found = outcome(gateway.port, data, timeout_s=0.3)
            assert all(status < 500 for status in statuses(found)), (data, found)


def test_truncated_requests_break_nothing(gateway: RunningGateway) -> None:
    with others_are_served(gateway):
        for end in range(1, len(VALID), 7):
            found = outcome(gateway.port, VALID[:end], timeout_s=0.3)
            assert all(status < 500 for status in statuses(found))


def test_pipelined_requests_are_all_answered_in_order(gateway: RunningGateway) -> None:
    paths = ["/v1/models", "/v1/nothing", "/v1/me", CHAT] * 5
    data = b"".join(request_bytes(path, token=TOKEN, method="GET") for path in paths)

    with Connection(gateway.port) as connection:
        connection.send(data)
        found = [connection.answer().status for _ in paths]

    assert found == [200, 404, 200, 405] * 5


@pytest.mark.parametrize(
    "lines",
    [
        [b"content-length: 5", b"content-length: 6"],
        [b"content-length: -1"],
        [b"content-length: 1e3"],
        [b"content-length: 99999999999999999999999999"],
        [b"content-length: " + b"9" * 5000],
        [b"content-length: 5", b"transfer-encoding: chunked"],
        [b"transfer-encoding: chunked, identity"],
        [b"transfer-encoding: gzip"],
        [b"transfer-encoding: chunked", b"transfer-encoding: chunked"],
        [b"bad header: x"],
        [b"x\x00y: z"],
        [b": nothing"],
        [b"x: a\nb"],
        [b" folded: x"],
    ],
)
def test_heads_that_lie_are_refused_and_smuggle_nothing(gateway: RunningGateway, lines: list[bytes]) -> None:
    head = b"\r\n".join([
        b"POST /v1/chat/completions HTTP/1.1", b"host: x", b"content-type: application/json",
        f"authorization: Bearer {TOKEN}".encode(), *lines,
    ])  # fmt: skip

    found = outcome(gateway.port, head + b"\r\n\r\n0\r\n\r\nGET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n", timeout_s=1.0)

    assert all(400 <= status < 500 for status in statuses(found)), found
    assert b"token_id" not in found


def test_offer_to_upgrade_is_ignored(gateway: RunningGateway) -> None:
    headers = (("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__"))

    answer = ask(gateway.port, request_bytes("/v1/me", token=TOKEN, headers=headers, method="GET"))

    assert answer.status == 200


def test_body_longer_than_declared_starts_no_request_of_its_own(gateway: RunningGateway) -> None:
    body = json.dumps(HELLO).encode()

    found = outcome(gateway.port, request_bytes(CHAT, body, token=TOKEN) + b"garbage garbage\r\n\r\n", timeout_s=1.0)

    assert statuses(found) in ([], [400], [200], [200, 400])
    assert TOKEN.encode() not in found


@pytest.fixture(scope="module")
def impatient(
    gateway_cluster: Cluster, session_mocks: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway with short bounds on time."""
    url = fresh_database(gateway_cluster, "impatient")
    apply_yaml(url, ORGANISATION + providers_yaml(session_mocks), tmp_path_factory.mktemp("impatient"))
    with running_gateway(Settings(database_url=url, header_timeout_s=0.5, body_timeout_s=0.5)) as gateway:
        yield gateway


def test_slow_loris_heads_are_ended_in_time_while_others_are_served(impatient: RunningGateway) -> None:
    connections = [socket.create_connection(("127.0.0.1", impatient.port), timeout=5.0) for _ in range(50)]
    begun = time.monotonic()
    with others_are_served(impatient):
        for connection in connections:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        for number in range(4):
            time.sleep(0.1)
            for connection in connections:
                connection.sendall(b"x-%d: y\r\n" % number)
        answers = [_read_all(connection) for connection in connections]

    assert time.monotonic() - begun < 5.0
    assert all(answer.startswith(b"HTTP/1.1 408 ") and b"x-request-id" in answer for answer in answers)


def test_connection_that_never_begins_is_ended(impatient: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=5.0) as connection:
        assert _read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_slow_loris_body_is_a_408_and_its_connection_is_ended(impatient: RunningGateway) -> None:
    with Connection(impatient.port, 5.0) as connection:
        connection.send(VALID[:-10])
        answer = connection.answer()
        assert (answer.status, answer.error()["code"]) == (408, "request_timeout")
        begun = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _trickle(connection)
        assert time.monotonic() - begun < 3.0


def test_empty_lines_between_requests_do_not_hold_a_connection(impatient: RunningGateway) -> None:
    with Connection(impatient.port, 5.0) as connection:
        connection.send(VALID)
        assert connection.answer().status == 200
        connection.send(b"\r\n")
        assert connection.answer().status == 408


def _trickle(connection: Connection) -> None:
    for _ in range(100):
        connection.send(b" ")
        time.sleep(0.05)


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    with connection:
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    return received
