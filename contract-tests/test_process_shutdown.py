"""SIGTERM of `aqueduct serve`: streams drain, what does not end in time is cut and booked, and no row is lost."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import TOKEN
from serving_process import ServingProcess, chat_request, fetch, prepared_database, serving, wait_until
from upstreams import Fault

from aqueduct.db.cluster import Cluster

ROWS = "SELECT * FROM usage.requests ORDER BY id"
LONG = "Tell me [text=4000] all of it."


@pytest.fixture
def url(gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path) -> str:
    return prepared_database(gateway_cluster, mocks, tmp_path)


@pytest.fixture
def gateway_process(url: str, tmp_path: Path) -> Iterator[ServingProcess]:
    with serving("serve", tmp_path / "serve", database_url=url, drain_s="20") as process:
        yield process


def events_of(answer: Answer) -> list[bytes]:
    return [event.removeprefix(b"data: ") for event in answer.body.split(b"\n\n") if event.startswith(b"data: ")]


def test_sigterm_lets_open_streams_end_whole(gateway_process: ServingProcess, url: str) -> None:
    text = "[echo tokens=40 delay_ms=40] go"
    with Connection(gateway_process.port) as stream, Connection(gateway_process.port) as whole:
        stream.send(chat_request(text, stream=True))
        whole.send(chat_request("[echo tokens=3 first_ms=1500] go"))
        stream.read_until(b'"content":"')
        gateway_process.send(signal.SIGTERM)
        begun = time.monotonic()
        rest = stream.read_until(b"0\r\n\r\n")
        answer = whole.answer()
    code = gateway_process.ended()

    assert b'"finish_reason":"stop"' in rest
    assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert code == 0
    assert time.monotonic() - begun < 10.0, "it does not wait for the whole drain time"
    rows = fetch(url, ROWS)
    assert [(row["status"], row["usage_source"], row["error_kind"]) for row in rows] == [(200, "provider", None)] * 2


def test_sigterm_refuses_new_connections_and_closes_idle_ones(gateway_process: ServingProcess) -> None:
    with Connection(gateway_process.port) as idle, Connection(gateway_process.port) as busy:
        idle.send(request_bytes("/health/ready", method="GET"))
        assert idle.answer().status == 200
        busy.send(chat_request("[echo tokens=20 delay_ms=100] go", stream=True))
        busy.read_until(b'"content":"')
        gateway_process.send(signal.SIGTERM)
        wait_until(lambda: not is_reachable(gateway_process.port), 2.0, "no new connections")
        busy.send(chat_request("a second request on the same connection"))
        busy.read_until(b"data: [DONE]\n\n\r\n0\r\n\r\n")

        assert idle.socket.recv(1) == b""
        assert busy.socket.recv(1) == b"", "the connection ends with its answer"
    assert gateway_process.ended() == 0


def is_reachable(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def test_sigterm_cuts_what_outlives_the_drain_time_and_books_what_was_sent(
    mocks: Mocks, url: str, tmp_path: Path
) -> None:
    mocks.anthropic.script(None, fault=Fault(stall_after=9))
    mocks.openai.script(None, fault=Fault(stall_after=9))
    mocks.google.script(None, fault=Fault(first_byte_delay_s=60.0))
    with serving("serve", tmp_path / "serve", database_url=url, drain_s="1") as process:
        streams = [Connection(process.port) for _ in range(2)]
        for connection, model in zip(streams, ("claude", "gpt"), strict=True):
            connection.send(chat_request(LONG, model, stream=True))
        pending = Connection(process.port)
        pending.send(chat_request(LONG, "gemini"))
        mocks.google.wait_for(lambda: len(mocks.google.ledger) == 1)
        wait_until(
            lambda: all(
                mock.exchanges and mock.exchanges[0].events_sent >= 9 for mock in (mocks.anthropic, mocks.openai)
            ),
            5.0,
            "the streams",
        )
        time.sleep(0.2)
        process.send(signal.SIGTERM)
        begun = time.monotonic()
        answers = [connection.answer() for connection in streams]
        refused = pending.answer()
        code = process.ended()
        took_s = time.monotonic() - begun

    for answer in answers:
        *chunks, error, done = events_of(answer)
        assert chunks
        assert json.loads(error)["error"]["code"] == "gateway_shutdown"
        assert done == b"[DONE]"
    assert (refused.status, refused.error()["code"]) == (503, "gateway_shutdown")
    assert code == 0
    assert took_s < 8.0
    rows = {row["model"]: row for row in fetch(url, ROWS)}
    assert {row["error_kind"] for row in rows.values()} == {"gateway_shutdown"}
    assert rows["claude"]["usage_source"] == "provider_partial"
    assert rows["gpt"]["usage_source"] == "estimated"
    assert all(rows[model]["completion_tokens"] > 0 for model in ("claude", "gpt"))
    assert rows["gemini"]["usage_source"] == "estimated", "the provider has taken the prompt"
    assert "Traceback" not in process.output
    for connection in (*streams, pending):
        connection.socket.close()


def test_sigterm_cut_stream_raises_in_the_official_client(url: str, tmp_path: Path) -> None:
    with serving("serve", tmp_path / "serve", database_url=url, drain_s="0") as process:
        client = openai.OpenAI(base_url=process.url, api_key=TOKEN, max_retries=0)
        message = {"role": "user", "content": "[echo tokens=1000 delay_ms=50] go"}
        stream = client.chat.completions.create(model="echo", messages=[message], stream=True)  # type: ignore[call-overload]
        next(stream)
        process.send(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="shutting down"):
            list(stream)
        client.close()
        assert process.ended() == 0


def test_sigterm_right_after_requests_loses_no_row(mocks: Mocks, url: str, tmp_path: Path) -> None:
    count = 60
    with serving("serve", tmp_path / "serve", database_url=url, usage_flush_s="60") as process:
        with ThreadPoolExecutor(8) as pool:
            data = [chat_request(f"Number {number}", "gpt", stream=number % 2 == 0) for number in range(count)]
            answers = list(pool.map(lambda request: ask(process.port, request), data))
        assert fetch(url, ROWS) == [], "nothing has been written yet"
        code = process.stop()

    assert code == 0
    rows = fetch(url, ROWS)
    assert len(rows) == count
    assert {str(row["id"]) for row in rows} == {answer.headers["x-request-id"] for answer in answers}
    booked = sorted((row["prompt_tokens"], row["completion_tokens"]) for row in rows)
    told = [entry.usage for entry in mocks.openai.ledger]
    assert booked == sorted((usage.prompt, usage.completion) for usage in told if usage is not None)


def test_interrupt_of_the_whole_terminal_ends_all_workers_cleanly(url: str, tmp_path: Path) -> None:
    with serving("serve", tmp_path / "serve", database_url=url, workers="2", own_group=True) as process:
        assert process.chat("Hi").status == 200
        os.killpg(process.process.pid, signal.SIGINT)
        code = process.ended()

    assert code == 0
    assert "Traceback" not in process.output
    assert len(fetch(url, ROWS)) == 1
