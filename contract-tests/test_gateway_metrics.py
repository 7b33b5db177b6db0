"""What `/metrics` shows of a running gateway: no label that callers or providers could multiply."""

import json
from collections.abc import Iterator

from gateway_fixtures import Mocks
from prometheus_client.parser import text_string_to_metric_families
from raw_http import ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import wait_until
from upstreams.wire import data_event, sse_reply

CHAT = "/v1/chat/completions"
MANY = 40


def chat(gateway: RunningGateway, model: str, *, token: str = TOKEN, path: str = CHAT, **fields: object) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "user": f"user of {model}", **fields}
    return ask(gateway.port, request_bytes(path, json.dumps(body).encode(), token=token)).status


def samples(gateway: RunningGateway) -> Iterator[tuple[str, dict[str, str], float]]:
    text = ask(gateway.port, request_bytes("/metrics", method="GET")).body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def labels(gateway: RunningGateway, name: str) -> set[str]:
    return {found[name] for _, found, _ in samples(gateway) if name in found}


def requests(gateway: RunningGateway) -> float:
    return sum(value for name, _, value in samples(gateway) if name == "aqueduct_requests_total")


def test_names_that_callers_choose_are_no_labels(gateway: RunningGateway) -> None:
    before = requests(gateway)
    statuses = {
        "unknown": {chat(gateway, f"unknown-{number}") for number in range(MANY)},
        "wild": {chat(gateway, f"openai/wild-{number}") for number in range(MANY)},
        "stranger": {chat(gateway, "echo", token=f"aq_stranger-{number}") for number in range(MANY)},
        "path": {chat(gateway, "echo", path=f"/v1/path-{number}") for number in range(MANY)},
    }
    wait_until(lambda: requests(gateway) == before + 3 * MANY, 10.0, "the requests are counted")

    assert statuses == {"unknown": {404}, "wild": {200}, "stranger": {401}, "path": {404}}
    models = labels(gateway, "model")
    assert not [name for name in models if "unknown" in name or "wild" in name]
    assert {"openai/*", ""} <= models
    assert {endpoint.rpartition("/")[2] for endpoint in labels(gateway, "endpoint")} <= {
        "completions", "embeddings", "rerank",
    }  # fmt: skip
    for _, found, _ in samples(gateway):
        assert not set(found) & {"user", "token", "token_id", "org", "team", "request_id", "path"}
        assert not [value for value in found.values() if "stranger" in value or "path-" in value or "user of" in value]


def test_words_that_a_provider_makes_up_are_bounded(gateway: RunningGateway, mocks: Mocks) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for number in range(2 * MANY):
        delta = {"index": 0, "delta": {"content": "x"}, "finish_reason": f"word_{number}"}
        mocks.compatible.script(sse_reply((data_event({**chunk, "choices": [delta]}), b"data: [DONE]\n\n")))
        assert chat(gateway, "llama", stream=True) == 200

    words = labels(gateway, "value")
    assert 1 < len(words) <= 64 + 1
    assert "_OTHER" in words
