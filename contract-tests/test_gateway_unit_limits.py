"""What searches, recordings and documents cost is reserved before it is spent: no budget is exceeded. Traps 8 and 9."""

import base64
import io
import itertools
import json
import random
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import ENVIRONMENT, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
BUDGET = 10_000
"""In micro-units, of each caller."""
CALLERS = (
    "most",
    "fewer",
    "stream",
    "audio",
    "several",
    "rerank",
    "retry",
    "mixed",
    "long",
    "unpriced",
    "left",
    "gone",
)
TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in CALLERS}
QUERY = 1_000
PRICES = """
INSERT INTO prices (model_id, meter, amount, per, valid_from)
SELECT id, meter, amount, 1000000, '2020-01-01' FROM models,
       (VALUES ('input', 1), ('output', 2), ('query', 1000), ('second', 100)) AS p (meter, amount)
 WHERE name <> 'unpriced'
"""
AUDIO = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF0000WAVE").decode(), "format": "wav"}}
_numbers = itertools.count(1)


class Charging(BaseHTTPRequestHandler):
    """A provider that charges for searches and for seconds of recordings, as much as the text of the request says."""

    failures: dict[str, int] = {}  # noqa: RUF012 - one server at a time
    arrived = threading.Event()
    released = threading.Event()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        asked = json.loads(data)
        if b"hangs" in data:
            self.arrived.set()
            self.released.wait(30)
            self.close_connection = True
            return
        if self.path.endswith("rerank"):
            units = {"billed_units": {"search_units": len(asked["documents"]) // 100 + 1}}
            self._answer(200, {"id": "r", "results": [{"index": 0, "relevance_score": 0.5}], "meta": units})
            return
        content = asked["messages"][0]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        said = json.loads(text)
        if self.failures.get(text, 0):
            self.failures[text] -= 1
            self._answer(500, {"error": {"message": "busy", "type": "server_error", "code": None, "param": None}})
            return
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        usage |= {"num_search_queries": said.get("queries", 0)}
        usage |= {"prompt_audio_seconds": said["seconds"]} if "seconds" in said else {}
        common = {"id": "c", "created": 1, "model": "m"}
        if asked.get("stream"):
            self._stream(common | {"object": "chat.completion.chunk"}, usage)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        self._answer(200, common | {"object": "chat.completion", "choices": [choice], "usage": usage})

    def _stream(self, common: dict[str, object], usage: dict[str, int]) -> None:
        choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}
        chunks = [common | {"choices": [choice]}, common | {"choices": [], "usage": usage}]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks))
        self.wfile.write(b"data: [DONE]\n\n")

    def _answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def configuration(upstream: str) -> str:
    teams = ", ".join(f"{{name: {name}}}" for name in CALLERS)
    tokens = "\n".join(f"- {{name: {name}, owner: 'team:o/{name}', token: 'env:TOKEN_{name}'}}" for name in CALLERS)
    amount = BUDGET / 10**6
    limits = "\n".join(
        f"- {{subject: 'team:o/{name}', metric: cost, window: month, amount: {amount}}}" for name in CALLERS
    )
    return f"""
orgs: [{{slug: o, teams: [{teams}]}}]
tokens:
{tokens}
providers:
- {{name: p, adapter: openai_compatible, base_url: '{upstream}/v1'}}
- {{name: c, adapter: cohere, base_url: '{upstream}/v2', secret: 'env:TEST_SECRET'}}
models:
- {{name: usual, deployments: [{{provider: p}}]}}
- {{name: bounded, max_queries: 3, max_seconds: 20, deployments: [{{provider: p}}]}}
- {{name: unpriced, deployments: [{{provider: p}}]}}
- {{name: documents, deployments: [{{provider: c, upstream_model: rerank-v3.5}}]}}
limits:
{limits}
"""


@pytest.fixture(scope="module")
def limited(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Charging)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    folder: Path = tmp_path_factory.mktemp("units")
    url = fresh_database(gateway_cluster, f"unit_limits_{next(_numbers)}")
    environment = ENVIRONMENT | {f"TOKEN_{name}": token for name, token in TOKENS.items()}
    try:
        apply_yaml(url, configuration(f"http://127.0.0.1:{server.server_port}"), folder, environment)
        execute(url, PRICES)
        settings = Settings(database_url=url, data_dir=str(folder), journal_dir=str(folder / "journal"))
        with running_gateway(settings) as gateway:
            yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def chat(gateway: RunningGateway, who: str, model: str, *, recordings: int = 0, **said: int) -> Answer:
    fields = {name: said.pop(name) for name in ("n", "stream") if name in said}
    content = [{"type": "text", "text": json.dumps(said)}, *[AUDIO] * recordings]
    body = {"model": model, "messages": [{"role": "user", "content": content if recordings else json.dumps(said)}]}
    body |= {"max_tokens": 10, **{name: bool(value) if name == "stream" else value for name, value in fields.items()}}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=TOKENS[who]))


def used(gateway: RunningGateway, who: str) -> int:
    limits = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()["limits"]
    assert isinstance(limits, list)
    assert isinstance(limits[0]["used"], int)
    assert limits[0]["limit"] == BUDGET
    return limits[0]["used"]


def no_overrun(gateway: RunningGateway) -> bool:
    return b"aqueduct_limit_overrun 0.0" in ask(gateway.port, request_bytes("/metrics", method="GET")).body


def test_many_at_once_that_search_as_often_as_they_may_never_exceed_their_budget(limited: RunningGateway) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: chat(limited, "most", "bounded", queries=3), range(24)))
    assert {answer.status for answer in answers} == {200, 429}
    assert sum(answer.status == 200 for answer in answers) == 3
    assert 3 * 3 * QUERY <= used(limited, "most") <= BUDGET
    assert no_overrun(limited)


def test_searches_that_were_not_made_come_back(limited: RunningGateway) -> None:
    assert [chat(limited, "fewer", "bounded", queries=0).status for _ in range(12)] == [200] * 12
    assert used(limited, "fewer") < 12 * 50


def test_streams_that_search_never_exceed_their_budget(limited: RunningGateway) -> None:
    statuses = [chat(limited, "stream", "bounded", queries=3, stream=1).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert used(limited, "stream") <= BUDGET


def test_recordings_reserve_the_seconds_that_they_may_have(limited: RunningGateway) -> None:
    statuses = [chat(limited, "audio", "bounded", recordings=2, seconds=40).status for _ in range(3)]
    assert statuses == [200, 429, 429], "3 searches and 40 seconds are 7,000 of 10,000"
    assert used(limited, "audio") <= BUDGET


def test_several_answers_may_search_as_often_each(limited: RunningGateway) -> None:
    assert chat(limited, "several", "bounded", n=3, queries=9).status == 200
    refused = chat(limited, "several", "bounded", n=4, queries=0)
    assert (refused.status, refused.error()["code"]) == (400, "request_exceeds_limit")


def test_recording_that_might_be_too_long_is_refused_with_words(limited: RunningGateway) -> None:
    refused = chat(limited, "long", "usual", recordings=1, seconds=1)
    assert (refused.status, refused.error()["code"]) == (400, "request_exceeds_limit")
    assert "may need" in str(refused.error()["message"])
    assert used(limited, "long") == 0


def test_default_bound_of_searches_is_reserved_where_the_model_names_none(limited: RunningGateway) -> None:
    refused = chat(limited, "long", "usual", queries=0)
    assert (refused.status, refused.error()["code"]) == (400, "request_exceeds_limit"), "ten searches and some tokens"


def test_model_whose_units_have_no_price_reserves_none(limited: RunningGateway) -> None:
    assert chat(limited, "unpriced", "unpriced", recordings=3, seconds=500, queries=50).status == 200
    assert used(limited, "unpriced") == 0


def test_documents_to_rerank_reserve_their_search_units(limited: RunningGateway) -> None:
    def rerank(documents: int) -> int:
        body = {"model": "documents", "query": "q", "documents": ["text"] * documents}
        data = json.dumps(body).encode()
        return ask(limited.port, request_bytes("/v1/rerank", data, token=TOKENS["rerank"])).status

    assert [rerank(450), rerank(450), rerank(450), rerank(50)] == [200, 429, 429, 200]
    assert used(limited, "rerank") <= BUDGET
    assert no_overrun(limited)


def leave(gateway: RunningGateway, who: str, path: str, body: dict[str, object]) -> None:
    """Ask, and hang up while the provider is at work."""
    Charging.arrived.clear()
    Charging.released.clear()
    try:
        with Connection(gateway.port) as connection:
            connection.send(request_bytes(path, json.dumps(body).encode(), token=TOKENS[who]))
            assert Charging.arrived.wait(15)
            reserved = used(gateway, who)
        until = time.monotonic() + 15
        while used(gateway, who) == reserved and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        Charging.released.set()


def test_recording_whose_client_leaves_is_charged_by_its_length(limited: RunningGateway) -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(int(4.9 * 16_000)))
    audio = {"data": base64.b64encode(out.getvalue()).decode(), "format": "wav"}
    content = [{"type": "text", "text": "hangs"}, {"type": "input_audio", "input_audio": audio}]
    body = {"model": "bounded", "messages": [{"role": "user", "content": content}], "max_tokens": 10}
    leave(limited, "left", CHAT, body)
    assert 5 * 100 + 900 <= used(limited, "left") <= 5 * 100 + 1_000, "5 seconds, and the estimate of its tokens"


def test_documents_whose_client_leaves_are_charged_by_their_search_units(limited: RunningGateway) -> None:
    leave(limited, "gone", "/v1/rerank", {"model": "documents", "query": "hangs", "documents": ["text"] * 150})
    assert 2 * QUERY <= used(limited, "gone") <= 2 * QUERY + 1_000


def test_another_attempt_reserves_its_own_searches(limited: RunningGateway) -> None:
    for _ in range(5):
        Charging.failures[json.dumps({"queries": 3})] = 1
        assert chat(limited, "retry", "bounded", queries=3).status in {200, 429}
    Charging.failures.clear()
    assert used(limited, "retry") <= BUDGET


def test_random_requests_never_exceed_their_budget(limited: RunningGateway) -> None:
    chance = random.Random(7)

    def one(_: int) -> int:
        recordings = chance.randrange(3)
        said = {"queries": chance.randrange(4)} | ({"seconds": chance.randrange(20 * recordings)} if recordings else {})
        return chat(limited, "mixed", "bounded", recordings=recordings, **said).status

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(one, range(60)))
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 2
    assert used(limited, "mixed") <= BUDGET
    assert no_overrun(limited)
