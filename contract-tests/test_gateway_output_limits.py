"""Answers whose length the client leaves open, held to limits: told to the provider, and stopped. Traps 9 and 12."""

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import Answer, ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway
from serving_process import fetch, wait_until

from aqueduct.db.cluster import Cluster
from aqueduct.limits.reserved import decode
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
LIMITS = {
    "whole": "{metric: total_tokens, window: hour, amount: 1000}",
    "stream": "{metric: total_tokens, window: hour, amount: 1000}",
    "output": "{metric: output_tokens, window: hour, amount: 1000}",
    "completion": "{metric: output_tokens, window: hour, amount: 1000}",
    "many": "{metric: total_tokens, window: hour, amount: 3000}",
    "cost": "{metric: cost, window: month, amount: 0.001}",
    "costs": "{metric: cost, window: month, amount: 0.001}",
    "deaf": "{metric: total_tokens, window: hour, amount: 1000}",
    "roomy": "{metric: total_tokens, window: hour, amount: 100000}",
    "strict": "{metric: total_tokens, window: hour, amount: 100000}",
}
TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in LIMITS}
PRICES = """
INSERT INTO prices (model_id, meter, amount, per, valid_from)
SELECT id, meter, amount, 1000000, '2020-01-01' FROM models, (VALUES ('input', 1), ('output', 2)) AS p (meter, amount)
"""
_numbers = itertools.count(1)


class Deaf(BaseHTTPRequestHandler):
    """A provider that heeds no bound: 5,000 words, of which one write brings 50. `told` are the bounds it was told."""

    told: ClassVar[list[int | None]] = []
    words = 5_000
    left_at: ClassVar[list[int]] = []
    most = 10**9
    pause_s = 0.002

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        bound = asked.get("max_tokens")
        self.told.append(bound)
        if bound is not None and bound > self.most:
            body = b'{"error":{"message":"too many","type":"invalid_request_error","param":"max_tokens","code":null}}'
            self._answer(400, body)
            return
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "word " * 100}
            usage = {"prompt_tokens": 9, "completion_tokens": 100, "total_tokens": 109}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            document = {"id": "d", "object": "chat.completion", "created": 1, "model": "deaf", "choices": choices}
            self._answer(200, json.dumps(document | {"usage": usage}).encode())
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        sent = 0
        try:
            while sent < self.words:
                self.wfile.write(_event({"content": "word " * 10}) * 5)
                sent += 50
                threading.Event().wait(self.pause_s)
            self.wfile.write(_event({}, "stop") + b"data: [DONE]\n\n")
        except OSError:
            self.left_at.append(sent)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "d", "object": "chat.completion.chunk", "created": 1, "model": "deaf", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(document).encode()


@contextmanager
def _server(handler: type[Deaf]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Long(Deaf):
    """One that writes more than is reserved at first."""

    words = 15_000
    pause_s = 0.0


class Strict(Deaf):
    """One that refuses bounds beyond what its model can write."""

    most = 2_000
    told: ClassVar[list[int | None]] = []


@pytest.fixture(scope="module")
def gateway(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("output-limits")
    url = fresh_database(gateway_cluster, f"output_limits_{next(_numbers)}")
    teams = ", ".join(f"{{name: {name}}}" for name in LIMITS)
    tokens = "\n".join(f"- {{name: {name}, owner: 'team:o/{name}', token: 'env:TOKEN_{name}'}}" for name in LIMITS)
    limits = "\n".join(f"- {{subject: 'team:o/{name}', {rule[1:]}" for name, rule in LIMITS.items())
    with _server(Deaf) as deaf, _server(Long) as long, _server(Strict) as strict:
        configuration = f"""
orgs: [{{slug: o, teams: [{teams}]}}]
tokens:
{tokens}
providers:
- {{name: e, adapter: echo}}
- {{name: deaf, adapter: openai_compatible, base_url: '{deaf}'}}
- {{name: long, adapter: openai_compatible, base_url: '{long}'}}
- {{name: strict, adapter: openai_compatible, base_url: '{strict}'}}
models:
- {{name: echo, deployments: [{{provider: e}}]}}
- {{name: deaf, deployments: [{{provider: deaf}}]}}
- {{name: long, deployments: [{{provider: long}}]}}
- {{name: strict, deployments: [{{provider: strict}}]}}
limits:
{limits}
"""
        apply_yaml(url, configuration, folder, {f"TOKEN_{name}": token for name, token in TOKENS.items()})
        execute(url, PRICES)
        settings = Settings(database_url=url, data_dir=str(folder), journal_dir=str(folder / "journal"))
        with running_gateway(settings) as running:
            yield running


def send(gateway: RunningGateway, who: str, model: str = "echo", **fields: object) -> Answer:
    messages = [{"role": "user", "content": "[echo tokens=5000] go" if model == "echo" else "go"}]
    body = {"model": model, "messages": messages, **fields}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=TOKENS[who]))


def used(gateway: RunningGateway, who: str) -> int:
    wait_until(lambda: not gateway.parts.inflight, 10, "requests end")
    answer = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()
    limits = answer["limits"]
    assert isinstance(limits, list)
    return int(limits[0]["used"])


def finishes(answer: Answer) -> list[str]:
    return re.findall(rb'"finish_reason":"(\w+)"', answer.body)


@pytest.mark.parametrize(("who", "streamed"), [("whole", False), ("stream", True), ("output", True)])
def test_answer_of_5000_tokens_is_cut_by_its_provider_at_the_limit_of_1000(gateway, who, streamed) -> None:
    answer = send(gateway, who, stream=streamed)
    assert answer.status == 200
    assert finishes(answer) == [b"length"]
    assert 900 <= used(gateway, who) <= 1000
    refused = send(gateway, who, stream=streamed)
    assert refused.status == 429


def test_legacy_completion_is_cut_too(gateway) -> None:
    body = json.dumps({"model": "echo", "prompt": "[echo tokens=5000] go"}).encode()
    answer = ask(gateway.port, request_bytes("/v1/completions", body, token=TOKENS["completion"]))
    assert finishes(answer) == [b"length"]
    assert 900 <= used(gateway, "completion") <= 1000


def test_open_answers_at_once_share_the_limit_and_stay_below_it(gateway) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(send(gateway, "many", stream=n % 2 == 0))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200, 429}
    assert {tuple(finishes(answer)) for answer in answers if answer.status == 200} == {(b"length",)}
    assert used(gateway, "many") <= 3000


@pytest.mark.parametrize(("who", "streamed"), [("cost", False), ("costs", True)])
def test_budget_bounds_an_open_answer_by_its_price(gateway, who, streamed) -> None:
    answer = send(gateway, who, stream=streamed)
    assert finishes(answer) == [b"length"]
    assert 900 <= used(gateway, who) <= 1000, "millionths"


def test_provider_that_heeds_no_bound_is_stopped_and_hung_up_on(gateway) -> None:
    before = cuts(gateway)
    answer = send(gateway, "deaf", "deaf", stream=True, stream_options={"include_usage": True})
    assert answer.status == 200
    assert finishes(answer) == [b"length"]
    assert answer.body.rstrip().endswith(b"data: [DONE]")
    assert Deaf.told[-1] is not None
    assert Deaf.told[-1] < 1000
    wait_until(lambda: bool(Deaf.left_at), 10, "the provider is hung up on")
    assert 900 <= used(gateway, "deaf") <= 1000
    assert b'"usage":{' in answer.body
    assert cuts(gateway) == before + 1
    (row,) = rows(gateway, "deaf")
    assert (row["finish_reason"], row["usage_source"], row["status"]) == ("length", "estimated", 200)
    kept = decode(str(row["reservations"]))
    assert kept.refused is not None, "the row says which limit ended the answer"
    assert (kept.refused.limit, kept.refused.amount) == (kept.limits[0].limit, 1000)


def test_stream_that_outgrows_its_reservation_goes_on_while_the_limit_has_more(gateway) -> None:
    answer = send(gateway, "roomy", "long", stream=True)
    assert Deaf.told[-1] is not None
    assert Deaf.told[-1] < Long.words * 5 / 3.2, "or nothing was outgrown"
    assert finishes(answer) == [b"stop"]
    assert answer.body.count(b"word ") == Long.words
    assert used(gateway, "roomy") > Long.words


def test_model_that_cannot_have_the_bound_is_asked_again_with_less(gateway) -> None:
    answer = send(gateway, "strict", "strict")
    assert answer.status == 200
    assert len(Strict.told) == 2
    assert Strict.told[0] is not None
    assert Strict.told[1] is not None
    assert Strict.told[0] > 2000 >= Strict.told[1]
    assert used(gateway, "strict") == 109


def test_bound_of_the_client_reaches_the_provider_as_it_is(gateway) -> None:
    assert send(gateway, "strict", "strict", max_tokens=77).status == 200
    assert Strict.told[-1] == 77


def cuts(gateway: RunningGateway) -> float:
    metrics = ask(gateway.port, request_bytes("/metrics", method="GET")).body.decode()
    found = re.search(r'rejections_total{kind="cut",scope="team"} (.*)', metrics)
    return 0.0 if found is None else float(found[1])


def rows(gateway: RunningGateway, model: str) -> list[dict[str, object]]:
    wait_until(lambda: not (gateway.parts.inflight or gateway.parts.recorder.waiting), 10, "usage is written")
    found = fetch(str(gateway.settings.database_url), "SELECT * FROM usage.requests")
    return [row for row in found if row["model"] == model]
