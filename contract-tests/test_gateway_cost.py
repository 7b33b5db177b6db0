"""What requests cost: by the deployment that served, in rows, rollups, headers and streams."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from gateway_fixtures import Mocks, execute
from prices import priced_by
from raw_http import Connection, ask, request_bytes
from running_gateway import OTHER_TOKEN, TOKEN, RunningGateway
from serving_process import chat_request, fetch, wait_until
from upstreams import Fault

PRICES = """
INSERT INTO prices (model_id, meter, amount)
SELECT id, meter, amount FROM models,
    (VALUES ('input', 2.50), ('output', 10), ('cache_read', 1.25)) AS v (meter, amount) WHERE name IN ('gpt', 'two');
INSERT INTO prices (deployment_id, meter, amount)
SELECT d.id, meter, amount FROM deployments d JOIN models m ON m.id = d.model_id AND m.name = 'two'
    JOIN providers p ON p.id = d.provider_id AND p.name = 'anthropic',
    (VALUES ('input', 3), ('output', 15)) AS v (meter, amount);
"""


@pytest.fixture
def priced(gateway: RunningGateway) -> Iterator[RunningGateway]:
    with priced_by(gateway, PRICES):
        yield gateway


def expected(row: dict[str, object], rate_in: str, rate_out: str, rate_cached: str | None = None) -> Decimal:
    prompt, output = row["prompt_tokens"], row["completion_tokens"]
    cached = row["cached_tokens"] or 0
    assert isinstance(prompt, int)
    assert isinstance(output, int)
    assert isinstance(cached, int)
    total = (prompt - cached) * Decimal(rate_in) + cached * Decimal(rate_cached or rate_in) + output * Decimal(rate_out)
    return total / 10**6


def test_whole_answer_is_priced_in_its_row_its_header_and_the_rollups(priced: RunningGateway) -> None:
    answer = ask(priced.port, chat_request("Hi", "gpt"))

    (row,) = priced.rows(1)
    assert row["cost"] == expected(row, "2.50", "10", "1.25")
    assert row["cost"]
    assert Decimal(answer.headers["x-aqueduct-cost"]) == row["cost"]
    url = str(priced.settings.database_url)
    for rollup in ("usage_hourly", "usage_daily"):
        (sums,) = fetch(url, f"SELECT requests, cost, unpriced FROM {rollup}")  # noqa: S608 - our own name
        assert sums == {"requests": 1, "cost": row["cost"], "unpriced": 0}


def test_model_without_prices_has_no_cost(priced: RunningGateway) -> None:
    answer = ask(priced.port, chat_request("Hi", "echo"))

    (row,) = priced.rows(1)
    assert row["cost"] is None
    assert "x-aqueduct-cost" not in answer.headers


def test_fallback_is_priced_by_the_deployment_that_served(priced: RunningGateway, mocks: Mocks) -> None:
    """Trap 8: a row per attempt, and the cost is that of the second deployment's own prices."""
    mocks.openai.script(None, fault=Fault(error=500))
    answer = ask(priced.port, chat_request("Hi", "two", max_tokens=50))
    assert answer.status == 200

    (row,) = priced.rows(1)
    attempts = fetch(
        str(priced.settings.database_url),
        "SELECT * FROM usage.attempts ORDER BY number",
    )
    assert row["provider"] == "anthropic"
    assert [(one["number"], one["provider"], one["error_kind"]) for one in attempts] == [
        (1, "openai", "provider_error"),
        (2, "anthropic", None),
    ]
    assert attempts[0]["upstream_status"] == 500
    assert attempts[0]["cost"] is None
    assert attempts[1]["cost"] == row["cost"] == expected(row, "3", "15")
    assert attempts[1]["prompt_tokens"] == row["prompt_tokens"]


def test_attempts_that_all_fail_are_told_in_the_words_of_the_request(priced: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.always(None, Fault(error=500))
    assert ask(priced.port, chat_request("Hi", "gpt")).status == 502

    (row,) = priced.rows(1)
    attempts = fetch(str(priced.settings.database_url), "SELECT error_kind FROM usage.attempts")
    assert row["error_kind"] == "provider_error"
    assert len(attempts) == row["attempts"]
    assert {one["error_kind"] for one in attempts} == {"provider_error"}


@pytest.mark.parametrize("asked", [True, False])
def test_stream_tells_its_cost_only_where_asked(priced: RunningGateway, asked: bool) -> None:
    body = {
        "model": "gpt",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = (("x-aqueduct-include-cost", "1"),) if asked else ()
    with Connection(priced.port) as stream:
        stream.send(request_bytes("/v1/chat/completions", json.dumps(body).encode(), token=TOKEN, headers=headers))
        text = stream.read_until(b"data: [DONE]").decode()

    (row,) = priced.rows(1)
    chunk = next(line for line in text.splitlines() if line.startswith("data: {") and '"prompt_tokens"' in line)
    usage = json.loads(chunk.removeprefix("data: "))["usage"]
    assert row["cost"] == expected(row, "2.50", "10", "1.25")
    assert ("aqueduct_cost" in usage) is asked
    if asked:
        assert Decimal(usage["aqueduct_cost"]) == row["cost"]


def test_usage_report_shows_the_callers_own_and_nobody_elses(priced: RunningGateway) -> None:
    assert ask(priced.port, chat_request("Hi", "gpt")).status == 200
    assert ask(priced.port, chat_request("Hi", "gpt", token=OTHER_TOKEN)).status == 200
    rows = priced.rows(2)
    mine = next(row for row in rows if row["user_id"] is not None)

    answer = ask(priced.port, request_bytes("/v1/usage?by=day,model", method="GET", token=TOKEN))

    assert answer.status == 200
    found = answer.json()
    assert found["currency"] == "USD"
    (line,) = found["data"]
    assert isinstance(line, dict)
    assert (line["model"], line["requests"], line["prompt_tokens"]) == ("gpt", 1, mine["prompt_tokens"])
    assert Decimal(line["cost"]) == mine["cost"]


def test_usage_report_takes_dimensions_as_a_list_or_one_by_one(priced: RunningGateway) -> None:
    assert ask(priced.port, chat_request("Hi", "gpt")).status == 200
    priced.rows(1)

    found = [
        ask(priced.port, request_bytes(f"/v1/usage?{query}", method="GET", token=TOKEN)).json()["data"]
        for query in ("by=model,day", "by=model&by=day")
    ]

    assert found[0] == found[1]
    assert {"model", "day"} < set(found[0][0])  # type: ignore[index]  # a list of objects


def test_usage_report_has_the_same_keys_in_every_row(priced: RunningGateway) -> None:
    assert ask(priced.port, chat_request("Hi", "gpt")).status == 200
    assert ask(priced.port, chat_request("Hi", "no-such-model")).status == 404
    priced.rows(2)

    answer = ask(priced.port, request_bytes("/v1/usage?by=model", method="GET", token=TOKEN))

    lines = json.loads(answer.body)["data"]
    assert {line["model"] for line in lines} == {"gpt", None}
    assert len({tuple(line) for line in lines}) == 1
    assert "day" not in lines[0]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("by=org", "by"),
        ("by=day,day", "by"),
        ("by=day&by=day", "by"),
        ("from=x", "from"),
        ("from=2026-01-01&from=2026-01-02", "from"),
        ("to=2026-13-01", "to"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("from=0001-01-01&to=9999-12-31", "from"),
        ("frm=2026-02-01", "frm"),
        ("user=somebody@example.org", "user"),
    ],
)
def test_usage_report_that_cannot_be_meant_is_a_400(gateway: RunningGateway, query: str, param: str) -> None:
    answer = ask(gateway.port, request_bytes(f"/v1/usage?{query}", method="GET", token=TOKEN))

    assert (answer.status, answer.error()["param"]) == (400, param)
    assert ask(gateway.port, request_bytes("/v1/usage", method="GET")).status == 401


def test_request_is_explained_to_its_owner_alone(priced: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, fault=Fault(error=500))
    before = priced.parts.catalog.current.prices
    request_id = ask(priced.port, chat_request("Hi", "two", max_tokens=50)).headers["x-request-id"]
    (row,) = priced.rows(1)

    answer = ask(priced.port, request_bytes(f"/v1/requests/{request_id}", method="GET", token=TOKEN))
    strangers = ask(priced.port, request_bytes(f"/v1/requests/{request_id}", method="GET", token=OTHER_TOKEN))

    found = answer.json()
    assert (found["id"], found["usage_source"], found["status"]) == (request_id, "provider", 200)
    attempts = found["attempts"]
    assert isinstance(attempts, list)
    assert [(one["provider"], one["upstream_status"]) for one in attempts] == [("openai", 500), ("anthropic", None)]
    assert sum(Decimal(line["cost"]) for line in attempts[1]["lines"]) == row["cost"]
    assert Decimal(str(found["cost"])) == row["cost"]
    assert strangers.status == 404

    execute(str(priced.settings.database_url), "UPDATE prices SET amount = amount * 7")
    wait_until(lambda: priced.parts.catalog.current.prices != before, 10, "the new prices are known")
    again = ask(priced.port, request_bytes(f"/v1/requests/{request_id}", method="GET", token=TOKEN)).json()
    assert again["attempts"] == attempts, "the lines say what was charged then"


@pytest.mark.parametrize("name", ["x", "00000000-0000-0000-0000-000000000000", "f" * 32])
def test_request_that_does_not_exist_is_a_404(gateway: RunningGateway, name: str) -> None:
    answer = ask(gateway.port, request_bytes(f"/v1/requests/{name}", method="GET", token=TOKEN))

    assert (answer.status, answer.json()["error"]["code"]) == (404, "request_not_found")  # type: ignore[index]  # an object
