"""Limits as clients meet them, on a whole gateway with a database of its own. Traps 8, 9, 12 and 14."""

import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import Answer, ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway
from serving_process import fetch, wait_until

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
LIMITS = {
    "requests": "{metric: requests, window: minute, amount: 3}",
    "weight": "{metric: requests, window: minute, amount: 10}",
    "tokens": "{metric: total_tokens, window: minute, amount: 400}",
    "budget": "{metric: cost, window: month, amount: 0.001}",
    "concurrency": "{metric: concurrency, amount: 1}",
    "shadow": "{metric: requests, window: minute, amount: 1, mode: shadow}",
    "model": "{metric: requests, window: hour, amount: 1, model: heavy}",
    "second": "{metric: requests, window: second, amount: 2}",
    "total": "{metric: requests, window: total, amount: 1}",
    "explained": "{metric: total_tokens, window: hour, amount: 400}",
    "failing": "{metric: total_tokens, window: hour, amount: 2000}",
    "free": None,
}
TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in (*LIMITS, "user")}
_numbers = itertools.count(1)


PRICES = """
INSERT INTO prices (model_id, meter, amount, per, valid_from)
SELECT id, meter, amount, 1000000, '2020-01-01' FROM models, (VALUES ('input', 1), ('output', 2)) AS p (meter, amount)
"""  # one micro-unit a token of input, two of output


def configuration() -> str:
    teams = ", ".join(f"{{name: {name}}}" for name in LIMITS)
    tokens = "\n".join(f"- {{name: {name}, owner: 'team:o/{name}', token: 'env:TOKEN_{name}'}}" for name in LIMITS)
    limits = "\n".join(f"- {{subject: 'team:o/{name}', {rule[1:]}" for name, rule in LIMITS.items() if rule)
    return f"""
orgs:
- {{slug: o, teams: [{teams}]}}
- {{slug: careful, terms: v2, users: [{{email: u@careful.org}}]}}
tokens:
{tokens}
- {{name: user, owner: 'user:u@careful.org', token: 'env:TOKEN_user'}}
providers: [{{name: e, adapter: echo}}, {{name: dead, adapter: openai_compatible, base_url: 'http://127.0.0.1:9'}}]
models:
- {{name: echo, deployments: [{{provider: e}}]}}
- {{name: heavy, request_weight: 5, deployments: [{{provider: e, upstream_model: echo}}]}}
- {{name: broken, deployments: [{{provider: dead}}]}}
limits:
{limits}
- {{subject: 'team:o/explained', metric: requests, window: total, amount: 1}}
"""


@pytest.fixture(scope="module")
def limited(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("limits")
    url = fresh_database(gateway_cluster, f"limits_{next(_numbers)}")
    apply_yaml(url, configuration(), folder, {f"TOKEN_{name}": token for name, token in TOKENS.items()})
    execute(url, PRICES)
    settings = Settings(database_url=url, data_dir=str(folder), journal_dir=str(folder / "journal"))
    with running_gateway(settings) as gateway:
        yield gateway


def chat(gateway: RunningGateway, who: str, text: str = "hello", model: str = "echo", **fields: object) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=TOKENS[who]))


def standing(gateway: RunningGateway, who: str) -> dict[str, object]:
    answer = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()
    limits = answer["limits"]
    assert isinstance(limits, list)
    return limits[0]


def test_fourth_request_of_three_a_minute_is_refused_with_words_headers_and_the_real_time(limited) -> None:
    remaining = [chat(limited, "requests").headers["x-ratelimit-remaining-requests"] for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    refused = chat(limited, "requests")
    assert refused.status == 429
    error = refused.error()
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "team 'o/requests' is 3 requests per minute. Used: 3 requests. Try again in" in str(error["message"])
    assert refused.headers["x-ratelimit-limit-requests"] == "3"
    assert re.fullmatch(r"(1m)?\d+(\.\d+)?s", refused.headers["x-ratelimit-reset-requests"])
    assert 1 <= int(refused.headers["retry-after"]) <= 62
    assert abs(int(refused.headers["retry-after-ms"]) / 1000 - int(refused.headers["retry-after"])) <= 1
    assert "x-should-retry" not in refused.headers
    shown = standing(limited, "requests")
    assert (shown["limit"], shown["used"], shown["remaining"], shown["window"]) == (3, 3, 0, "minute")
    assert isinstance(shown["resets_at"], float)


def test_request_weighs_what_its_model_weighs(limited) -> None:
    assert [chat(limited, "weight", model="heavy").status for _ in range(3)] == [200, 200, 429]


def test_limit_of_one_model_leaves_the_others_alone(limited) -> None:
    assert chat(limited, "model", model="heavy").status == 400, "it weighs more than the limit"
    assert [chat(limited, "model").status for _ in range(3)] == [200] * 3


def test_unused_tokens_come_back_at_once_and_what_never_fits_is_a_400(limited) -> None:
    for _ in range(4):
        answer = chat(limited, "tokens", max_tokens=300)
        assert answer.status == 200
    used = int(str(standing(limited, "tokens")["used"]))
    rows = _rows(limited, "tokens")
    assert used == sum(int(str(row["prompt_tokens"])) + int(str(row["completion_tokens"])) for row in rows)
    never = chat(limited, "tokens", max_tokens=500)
    assert (never.status, never.error()["code"]) == (400, "request_exceeds_limit")
    refused = chat(limited, "tokens", max_tokens=395 - used)
    assert refused.status == 429
    message = str(refused.error()["message"])
    needed = re.search(
        r"400 tokens per minute\. Used: (\d+) tokens.*\. This request may need: (\d+) tokens\. Try", message
    )
    assert needed is not None, message
    assert (int(needed[1]), int(needed[1]) + int(needed[2]) > 400) == (used, True)


def test_concurrent_requests_never_use_more_than_the_token_limit(limited) -> None:
    begun = int(str(standing(limited, "tokens")["used"]))
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(chat(limited, "tokens", max_tokens=150))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {200, 429}
    assert begun <= int(str(standing(limited, "tokens")["used"])) <= 400


def test_request_is_explained_with_what_it_reserved_and_used(limited) -> None:
    answer = chat(limited, "explained", max_tokens=300)
    refused = chat(limited, "explained", max_tokens=300)
    assert "This request may need" not in str(refused.error()["message"]), "what is used says why"
    too_large = chat(limited, "explained", max_tokens=3000)
    assert (answer.status, refused.status, too_large.status) == (200, 429, 400)
    _rows(limited, "explained")
    found = [_explained(limited, one.headers["x-request-id"]) for one in (answer, refused, too_large)]
    held = {str(one["metric"]): one for one in found[0]["reservations"]}
    tokens, requests = held["total_tokens"], held["requests"]
    assert (tokens["scope"], tokens["subject"], tokens["window"], tokens["mode"]) == (
        "team", "o/explained", "hour", "enforce",
    )  # fmt: skip
    assert tokens["limit"] == 400
    assert 300 + found[0]["prompt_tokens"] <= tokens["reserved"] <= 330
    assert tokens["settled"] == found[0]["prompt_tokens"] + found[0]["completion_tokens"]
    assert (requests["limit"], requests["reserved"], requests["settled"]) == (1, 1, 1)
    assert (found[1]["reservations"], found[1]["error_kind"]) == ([], "policy_budget")
    assert found[0]["refused_by"] is None
    by = [(one["refused_by"]["metric"], one["refused_by"]["limit"], one["refused_by"]["used"]) for one in found[1:]]
    assert by == [("requests", 1, 1), ("total_tokens", 400, None)]
    assert (found[1]["refused_by"]["subject"], found[1]["refused_by"]["needed"]) == ("o/explained", 1)
    assert 3000 < found[2]["refused_by"]["needed"] < 3100


def _explained(gateway: RunningGateway, request_id: str) -> dict[str, Any]:
    path = f"/v1/requests/{request_id}"
    return ask(gateway.port, request_bytes(path, method="GET", token=TOKENS["explained"])).json()


def test_spent_budget_is_final(limited) -> None:
    while (answer := chat(limited, "budget", "word " * 20, max_tokens=200)).status == 200:
        assert float(answer.headers["x-aqueduct-budget-remaining"]) < 0.001
    error = answer.error()
    assert (answer.status, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    assert int(str(standing(limited, "budget")["used"])) <= 1000
    assert "team 'o/budget' is 0.001 USD per month. Used: 0.000" in str(answer.error()["message"])


def test_official_client_does_not_retry_a_spent_total(limited) -> None:
    assert chat(limited, "total").status == 200
    with (
        openai.OpenAI(base_url=limited.url, api_key=TOKENS["total"], max_retries=5) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "insufficient_quota"
    assert "retry-after" not in caught.value.response.headers
    assert len(_rows(limited, "total")) == 2


def test_slot_comes_back_when_a_stream_ends_or_its_client_leaves(limited) -> None:
    for _ in range(3):
        with openai.OpenAI(base_url=limited.url, api_key=TOKENS["concurrency"], max_retries=0) as client:
            stream = client.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "word " * 2000}], stream=True
            )
            next(iter(stream))
            stream.close()
        until = 100
        while (answer := chat(limited, "concurrency")).status != 200:
            assert answer.error()["type"] == "concurrency"
            until -= 1
            assert until, "the slot does not come back"
            threading.Event().wait(0.05)


def test_shadow_limit_counts_and_never_refuses(limited) -> None:
    assert [chat(limited, "shadow").status for _ in range(3)] == [200] * 3
    assert standing(limited, "shadow")["used"] == 3
    metrics = ask(limited.port, request_bytes("/metrics", method="GET")).body.decode()
    assert re.findall(r'rejections_total{kind="shadow",scope="team"} (.*)', metrics) == ["2.0"]
    assert "aqueduct_limit_lease_slack" in metrics


def test_failed_upstream_gives_every_token_back(limited) -> None:
    for _ in range(3):
        assert chat(limited, "failing", model="broken", max_tokens=1900).status == 502
    assert standing(limited, "failing")["used"] == 0


def test_caller_without_limits_sees_no_limit_headers(limited) -> None:
    answer = chat(limited, "free")
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_second_passes(limited) -> None:
    statuses = [chat(limited, "second").status for _ in range(3)]
    assert statuses[:2] == [200, 200]
    for _ in range(100):
        if chat(limited, "second").status == 200:
            return
        threading.Event().wait(0.05)
    pytest.fail("the window does not pass")


def test_user_is_let_in_once_the_present_terms_are_accepted(limited) -> None:
    refused = chat(limited, "user")
    assert (refused.status, refused.error()["type"], refused.error()["code"]) == (
        403,
        "permission_error",
        "terms_required",
    )
    shown = ask(limited.port, request_bytes("/v1/me", method="GET", token=TOKENS["user"])).json()
    assert shown["terms_required"] == "v2"
    for body, status, code in (
        (b"{", 400, "invalid_json"),
        (b"{}", 400, "missing_required_parameter"),
        (b'{"version": "v1"}', 400, "invalid_value"),
        (b'{"version": "\\u0000"}', 400, "invalid_value"),
        (b'{"version": 2}', 400, "invalid_type"),
        (b'{"version": "v2", "accept": true}', 400, "unsupported_parameter"),
        (b'{"version": "%b"}' % (b"v" * 20_000), 413, "request_too_large"),
    ):
        wrong = ask(limited.port, request_bytes("/v1/me/terms", body, token=TOKENS["user"]))
        assert (wrong.status, wrong.error()["code"]) == (status, code)
        assert wrong.error()["param"] in {"version", "accept", None}
    form = request_bytes("/v1/me/terms", b"version=v2", token=TOKENS["user"], content_type="text/plain")
    assert ask(limited.port, form).status == 415
    assert chat(limited, "user").status == 403
    assert ask(limited.port, request_bytes("/v1/me/terms", b'{"version": "v2"}', token=TOKENS["user"])).status == 200
    wait_until(lambda: chat(limited, "user").status == 200, 10, "the terms are accepted")
    assert ask(limited.port, request_bytes("/v1/me/terms", b'{"version": "v2"}', token=TOKENS["free"])).status == 400


def _rows(gateway: RunningGateway, who: str) -> list[dict[str, object]]:
    token = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()["token_id"]
    recorder = gateway.parts.recorder
    wait_until(lambda: not (gateway.parts.inflight or recorder.waiting), 10, "usage is written")
    rows = fetch(str(gateway.settings.database_url), "SELECT * FROM usage.requests WHERE status IN (200, 429)")
    return [row for row in rows if str(row["token_id"]) == token]
