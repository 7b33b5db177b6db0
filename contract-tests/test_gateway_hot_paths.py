"""The short way of the hot paths (`server/hot_protocol.py`) keeps HTTP as the server's own way does."""

import json
import re
import time

import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, Connection, request_bytes
from running_gateway import TOKEN, RunningGateway
from upstreams import Fault

CHAT = "/v1/chat/completions"
BODY = b'{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
HOT = request_bytes(CHAT, BODY, token=TOKEN)
CHANGING = {"x-request-id", "x-aqueduct-overhead-ms", "openai-processing-ms", "date"}


def content(body: bytes) -> str:
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def same_everywhere(stream: bytes) -> bytes:
    return re.sub(rb'"(id|created)":("[^"]*"|[0-9]+)', rb'"\1":0', stream)


def lasting(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in CHANGING}


@pytest.mark.parametrize("other", [f"{CHAT}/", f"{CHAT}?api-version=1", "/v1/chat/%63ompletions"])
def test_hot_path_answers_as_the_router_does(gateway: RunningGateway, other: str) -> None:
    with Connection(gateway.port) as connection:
        connection.send(HOT)
        hot = connection.answer()
        connection.send(request_bytes(other, BODY, token=TOKEN))
        routed = connection.answer()

    assert (hot.status, routed.status) == (200, 200)
    assert list(hot.headers) == list(routed.headers)
    assert lasting(hot) == lasting(routed)
    assert content(hot.body) == content(routed.body)


def test_hot_stream_is_the_routers_stream(gateway: RunningGateway) -> None:
    body = BODY[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        hot = connection.answer()
        connection.send(request_bytes(f"{CHAT}/", body, token=TOKEN))
        routed = connection.answer()

    assert (hot.status, routed.status) == (200, 200)
    assert set(hot.headers) == set(routed.headers)
    assert lasting(hot) == lasting(routed)
    assert same_everywhere(hot.body) == same_everywhere(routed.body)


def test_pipelined_hot_requests_are_answered_in_order(gateway: RunningGateway) -> None:
    bodies = [BODY.replace(b"hello", b"number %d" % number) for number in range(8)]
    streamed = BODY[:-1] + b',"stream":true}'
    requests = [request_bytes(CHAT, body, token=TOKEN) for body in [*bodies[:4], streamed, *bodies[4:]]]

    with Connection(gateway.port) as connection:
        connection.send(b"".join(requests) + request_bytes("/v1/models", token=TOKEN, method="GET"))
        answers = [connection.answer() for _ in range(len(requests) + 1)]

    assert [answer.status for answer in answers] == [200] * 10
    assert answers[4].body.endswith(b"data: [DONE]\n\n")
    assert [content(one.body) for one in [*answers[:4], *answers[5:9]]] == [f"number {n}" for n in range(8)]
    assert json.loads(answers[-1].body)["object"] == "list"


@pytest.mark.parametrize("cut", [1, 40, len(HOT) - len(BODY), len(HOT) - 5])
def test_hot_request_may_arrive_in_two_pieces(gateway: RunningGateway, cut: int) -> None:
    with Connection(gateway.port) as connection:
        connection.send(HOT[:cut])
        time.sleep(0.05)
        connection.send(HOT[cut:])
        assert connection.answer().status == 200


def test_client_that_expects_to_be_asked_for_its_body_is_asked(gateway: RunningGateway) -> None:
    head, body = HOT[: -len(BODY)], BODY
    with Connection(gateway.port) as connection:
        connection.send(head[:-2] + b"expect: 100-continue\r\n\r\n")
        assert connection.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)
        assert connection.answer().status == 200


def test_client_that_is_refused_is_not_asked_for_its_body(gateway: RunningGateway) -> None:
    head = request_bytes(CHAT, BODY, token="aq_nobody", headers=(("expect", "100-continue"),))[: -len(BODY)]
    with Connection(gateway.port) as connection:
        connection.send(head)
        assert connection.answer().status == 401


@pytest.mark.parametrize("stream", [False, True])
def test_client_that_wants_the_connection_closed_gets_the_answer_first(gateway: RunningGateway, stream: bool) -> None:
    body = BODY[:-1] + b',"stream":true}' if stream else BODY
    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN, headers=(("connection", "close"),)))
        answer = connection.answer()
        assert answer.headers["connection"] == "close"
        assert b"chat.completion" in answer.body
        assert connection.socket.recv(1) == b""


def test_client_of_http_1_0_is_answered_and_the_connection_closed(gateway: RunningGateway) -> None:
    with Connection(gateway.port) as connection:
        connection.send(HOT.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.socket.recv(1) == b""


def test_client_that_leaves_is_noticed_while_its_large_body_is_in_work(gateway: RunningGateway, mocks: Mocks) -> None:
    """A body that made the server stop reading must not hide the end of the connection."""
    mocks.openai.script(None, fault=Fault(first_byte_delay_s=30.0))
    text = "x" * 300_000
    body = json.dumps({"model": "gpt", "messages": [{"role": "user", "content": text}]}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        mocks.openai.wait_for(lambda: bool(mocks.openai.ledger))

    assert gateway.rows(1)[0]["status"] == 499
