"""Requests that nobody would write by hand: answers are 2xx, 4xx or a provider's mapped refusal, always in one form."""

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import schemathesis
from gateway_fixtures import Mocks, fresh_database, providers_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway
from schemathesis import GenerationMode
from schemathesis.core import NotSet

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
HELLO: dict[str, object] = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
MODELS = ["echo", "gpt", "claude", "gemini"]
ENDPOINTS = {
    "POST": [CHAT, "/v1/completions", "/v1/embeddings", "/validate"],
    "GET": ["/v1/models", "/v1/models/{model}", "/v1/me", "/validate", "/health/live", "/health/ready", "/metrics"],
}
fuzzed = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def hold(answer: Answer) -> None:
    """Hold an answer to the promises that all answers keep."""
    assert answer.status < 500, (answer.status, answer.body[:500])
    assert answer.headers.get("x-request-id")
    if answer.status >= 400:
        answer.error()


def post(gateway: RunningGateway, body: bytes, path: str = CHAT) -> Answer:
    return ask(gateway.port, request_bytes(path, body, token=TOKEN), timeout_s=20.0)


# --- from the served schema


@pytest.fixture(scope="session")
def operations(session_gateway: RunningGateway) -> schemathesis.BaseSchema:
    served = ask(session_gateway.port, request_bytes("/schema", method="GET")).json()
    return schemathesis.openapi.from_dict(served)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        (method, path, mode)
        for method in ENDPOINTS
        for path in ENDPOINTS[method]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if method != "GET" or mode is GenerationMode.POSITIVE  # nothing but the path could be wrong
    ],
)
def test_generated_requests_get_an_answer_in_the_one_form(
    gateway: RunningGateway, operations: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = operations[path][method]

    @settings(fuzzed, max_examples=25)
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        body = _encoded(case.body)
        target = case.formatted_path if case.path_parameters else path
        if not target.isascii() or not target.isprintable() or " " in target:
            return
        answer = ask(gateway.port, request_bytes(target, body, token=TOKEN, method=method), timeout_s=20.0)
        hold(answer)

    check()


def _encoded(body: object) -> bytes:
    """Encode a generated body; one with a model gets one that exists, so that it comes as far as an adapter."""
    if isinstance(body, NotSet):
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body = {**body, "model": "echo"}
    return json.dumps(body).encode()


# --- mutations of a valid request

RICH: dict[str, object] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {
        "type": "object", "properties": {"at": {"type": "integer"}}}}}],
    "tool_choice": "auto",
    "temperature": 0.5,
    "max_tokens": 50,
    "stop": ["END"],
    "response_format": {"type": "text"},
    "metadata": {"a": "b"},
    "user": "someone",
}  # fmt: skip
ODD: list[object] = [
    None, True, 0, -1, 2**31, 2**63, 10**40, 1e308, float("nan"), float("inf"), "", " ", "\0", "\ud800", "\u202e",
    "x" * 5000,
    [], {}, [[]], [None], {"": ""}, {"type": "hologram"}, {"type": "text"}, "../../etc/passwd", "data:,", "http://[::1",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, object]:
    """A valid request with one to three places deleted, replaced, repeated or wrapped."""
    body: dict[str, object] = json.loads(json.dumps(RICH))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(body))))
        match draw(st.sampled_from(["delete", "replace", "repeat", "wrap", "rename"])):
            case "delete":
                del holder[key]
            case "replace":
                holder[key] = draw(st.sampled_from(ODD))
            case "repeat" if isinstance(holder, list):
                holder.append(holder[key])
            case "wrap":
                holder[key] = [holder[key]] if draw(st.booleans()) else {"type": holder[key]}
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "\0", "x" * 1000, "type", "ключ", "a\r\nb: c"]))] = holder.pop(key)
            case _:
                continue
        if not body:
            break
    return body


def _places(value: object) -> Iterator[tuple[dict[object, object] | list[object], object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield value, index
            yield from _places(inner)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_mutated_chat_requests_are_answered_or_refused_but_never_break_anything(
    gateway: RunningGateway, mocks: Mocks, model: str, stream: bool
) -> None:
    @settings(fuzzed, max_examples=60)
    @given(mutated())
    def check(body: dict[str, object]) -> None:
        answer = post(gateway, json.dumps({"model": model, "stream": stream, **body}).encode())
        hold(answer)
        if answer.status == 200 and stream:
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b'"internal_error"' not in answer.body

    check()
    # What the mocks refused, they refused as the provider does; what no provider would be asked fails the test.
    for upstream in mocks.all():
        upstream.problems.clear()
    rows = gateway.parts.recorder
    until = time.monotonic() + 5
    while rows.waiting and time.monotonic() < until:
        time.sleep(0.02)
    assert rows.waiting == 0, "a row is stuck"
    rejected = gateway.parts.metrics.registry.get_sample_value("aqueduct_usage_rows_total", {"result": "rejected"})
    assert not rejected


def _tools(count: int) -> dict[str, object]:
    function = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"tools": [
        {"type": "function", "function": {"name": f"tool_{number}", "parameters": function}} for number in range(count)
    ]}  # fmt: skip


def _wide_schema(count: int) -> dict[str, object]:
    properties = {f"property_{number}": {"type": "string"} for number in range(count)}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "wide", "schema": schema}}}


def _deep_schema(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return {"tools": [{"type": "function", "function": {"name": "deep", "parameters": schema}}]}


def _call(call_id: str) -> dict[str, object]:
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "y"},
    ]}  # fmt: skip


EXTREMES: dict[str, dict[str, object]] = {
    "300 tools": _tools(300),
    "10,000 properties": _wide_schema(10_000),
    "schema 60 deep": _deep_schema(60),
    "schema 150 deep": _deep_schema(150),
    "very long call id": _call("call_" + "x" * 10_000),
    "empty call id": _call(""),
    "odd call id": _call("c a\tl\u00e9/../"),
    "2,000 messages": {"messages": [{"role": "user", "content": "x"}] * 2000},
    "empty content": {"messages": [{"role": "user", "content": ""}]},
    "empty parts": {"messages": [{"role": "user", "content": []}]},
    "only an assistant": {"messages": [{"role": "assistant", "content": "x"}]},
    "only a system": {"messages": [{"role": "system", "content": "x"}]},
    "64 unknown fields": {f"unknown_{number}\0\r\nx: y": number for number in range(64)},
    "long unknown field": {"u" * 100_000: 1},
    "huge seed": {"seed": 10**400},
    "huge n": {"n": 2**62},
    "long stop": {"stop": ["x" * 100_000] * 20},
    "long user": {"user": "\0\u00e9" * 10_000},
    "tool result without call": {"messages": [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]},
    "arguments no json": {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}]},
        {"role": "tool", "tool_call_id": "c", "content": "y"}]},
    "arguments without end": {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "[" * 50_000}}]},
        {"role": "tool", "tool_call_id": "c", "content": "y"}]},
}  # fmt: skip


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("model", MODELS)
def test_extreme_requests_are_answered_or_refused(
    gateway: RunningGateway, mocks: Mocks, model: str, extreme: str
) -> None:
    answer = post(gateway, json.dumps({**HELLO, **EXTREMES[extreme], "model": model}).encode())

    hold(answer)
    for upstream in mocks.all():
        upstream.problems.clear()
    assert sum(len(value) for value in answer.headers.values()) < 16_384
    assert gateway.rows(1)[0]["status"] == answer.status


def test_row_of_a_request_with_nul_in_every_text_is_written(gateway: RunningGateway) -> None:
    body = {**HELLO, "user": "a\0b", "nul\0field": 1}

    assert post(gateway, json.dumps(body).encode()).status == 200

    row = gateway.rows(1)[0]
    assert (row["client_user"], row["dropped_params"]) == ("ab", ["nulfield"])


# --- below HTTP


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


# --- slow clients


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
