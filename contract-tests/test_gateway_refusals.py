"""Refusals for who calls and what is there: expired, disabled, out of service, limits on tokens, no database."""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from gateway_fixtures import CLUSTER_OPTIONS, execute
from raw_http import Answer, ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.embedded import newest_programs
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
NAMES = ("good", "old", "closed_org", "closed_team", "closed_user", "limited", "budget", "signer")
TOKENS = {name: f"aq_{name:-<12}-token-for-refusals-0123456" for name in NAMES}
CONFIG = """
orgs:
- slug: open
  terms: v1
  teams: [{name: main}, {name: shut, enabled: false}, {name: limited}, {name: budget}]
  users: [{email: gone@open.org, enabled: false}, {email: signer@open.org}]
- {slug: shut, enabled: false, teams: [{name: main}]}
tokens:
- {name: good, owner: 'team:open/main', token: 'env:good'}
- {name: old, owner: 'team:open/main', token: 'env:old'}
- {name: closed_org, owner: 'team:shut/main', token: 'env:closed_org'}
- {name: closed_team, owner: 'team:open/shut', token: 'env:closed_team'}
- {name: closed_user, owner: 'user:gone@open.org', token: 'env:closed_user'}
- {name: limited, owner: 'team:open/limited', token: 'env:limited'}
- {name: budget, owner: 'team:open/budget', token: 'env:budget'}
- {name: signer, owner: 'user:signer@open.org', token: 'env:signer'}
providers: [{name: e, adapter: echo}, {name: dark, adapter: echo, enabled: false}]
models:
- {name: echo, deployments: [{provider: e}]}
- {name: resting, deployments: [{provider: e, upstream_model: echo, enabled: false}]}
- {name: without, deployments: [{provider: dark, upstream_model: echo}]}
limits:
- {subject: 'team:open/limited', metric: total_tokens, window: minute, amount: 500}
- {subject: 'team:open/limited', metric: total_tokens, window: day, amount: 100000}
- {subject: 'team:open/budget', metric: cost, window: month, amount: 1}
prices:
- {model: echo, meter: output, amount: '1', per: 1000000}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A database server that a test may stop."""
    with tempfile.TemporaryDirectory(prefix="aqueduct-refusals-") as folder:
        cluster = Cluster(newest_programs(), Path(folder) / "postgres", options=CLUSTER_OPTIONS)
        try:
            cluster.start()
            cluster.stop()  # the URL stays the same over a restart
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def refusing(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("refusals")
    asyncio.run(migrate.upgrade(cluster.url))
    apply_yaml(cluster.url, CONFIG, folder, TOKENS)
    execute(cluster.url, "UPDATE tokens SET expires_at = now() - interval '1 minute' WHERE name = 'old'")
    settings = Settings(database_url=cluster.url, data_dir=str(folder), limits_lease_s=1.0, catalog_poll_s=600.0)
    with running_gateway(settings) as gateway:
        yield gateway


def chat(gateway: RunningGateway, who: str, model: str = "echo", **fields: object) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **fields}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=TOKENS[who]))


def get(gateway: RunningGateway, path: str, who: str | None = None) -> Answer:
    return ask(gateway.port, request_bytes(path, method="GET", token=None if who is None else TOKENS[who]))


def told(answer: Answer) -> tuple[int, object, object]:
    error = answer.error()
    return answer.status, error["type"], error["code"]


def test_expired_token_is_told_so_everywhere(refusing: RunningGateway) -> None:
    answers = [chat(refusing, "old"), *(get(refusing, path, "old") for path in ("/v1/me", "/validate", "/v1/models"))]

    assert {told(answer) for answer in answers} == {(401, "invalid_request_error", "expired_api_key")}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    with (
        openai.OpenAI(base_url=refusing.url, api_key=TOKENS["old"], max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()
    assert caught.value.code == "expired_api_key"


@pytest.mark.parametrize("who", ["closed_org", "closed_team", "closed_user"])
def test_disabled_account_is_told_so_everywhere(refusing: RunningGateway, who: str) -> None:
    answers = [chat(refusing, who), *(get(refusing, path, who) for path in ("/v1/me", "/validate", "/v1/models"))]

    assert {told(answer) for answer in answers} == {(403, "permission_error", "account_disabled")}


@pytest.mark.parametrize("model", ["resting", "without"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_model_out_of_service_is_a_503_with_a_time(refusing: RunningGateway, model: str, stream: bool) -> None:
    answer = chat(refusing, "good", model, stream=stream)

    assert told(answer) == (503, "server_error", "no_healthy_deployment")
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("5", "5000")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_limit_on_tokens_is_in_the_headers_of_every_answer(refusing: RunningGateway, stream: bool) -> None:
    long = [{"role": "user", "content": "[echo tokens=60] go"}]
    answer = chat(refusing, "limited", stream=stream, messages=long, max_tokens=60)
    refused = chat(refusing, "limited", stream=stream, max_tokens=470)

    assert answer.status == 200
    assert told(refused) == (429, "tokens", "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    for one in (answer, refused):
        assert one.headers["x-ratelimit-limit-tokens"] == "500", "the tightest"
        assert 0 <= int(one.headers["x-ratelimit-remaining-tokens"]) < 500
        assert re.fullmatch(r"(\d+m)?(\d+(\.\d+)?)s|\d+ms", one.headers["x-ratelimit-reset-tokens"])
        assert "x-ratelimit-limit-requests" not in one.headers


def test_nothing_but_what_needs_the_database_fails_without_it(refusing: RunningGateway, cluster: Cluster) -> None:
    assert chat(refusing, "good").status == 200
    cluster.stop()
    try:
        hold_without_database(refusing)
    finally:
        cluster.start()


def hold_without_database(refusing: RunningGateway) -> None:

    assert chat(refusing, "good").status == 200
    for path in ("/v1/models", "/validate", "/v1/me"):
        assert get(refusing, path, "good").status == 200, path
    for path in ("/health/live", "/metrics", "/schema"):
        assert get(refusing, path).status == 200, path
    for path in ("/v1/usage", "/v1/requests/01a21a6b-5161-72ed-bbfd-89b0caeaa885"):
        answer = get(refusing, path, "good")
        assert told(answer) == (503, "server_error", "reports_unavailable")
        assert answer.headers["retry-after"] == "5"
    terms = ask(refusing.port, request_bytes("/v1/me/terms", b'{"version": "v1"}', token=TOKENS["signer"]))
    assert told(terms) == (503, "server_error", "terms_unavailable")
    assert "retry-after" in terms.headers
    refused = chat(refusing, "budget")
    assert told(refused) == (503, "server_error", "limits_unavailable")
    assert "retry-after" in refused.headers
