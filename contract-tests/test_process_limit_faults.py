"""Limits through kill -9 and without their database, on gateways as processes. Traps 9, 10 and 11."""

import asyncio
import itertools
import json
import re
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import apply_yaml
from serving_process import ServingProcess, chat_request, fetch, serving, wait_until

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster

LEASE_S = "5"
SLOW = "[echo tokens=400 delay_ms=50] go"
TOTAL = 50
LIMITS = {
    "total": (
        "{metric: total_tokens, window: total, amount: 100000}",
        f"{{metric: requests, window: total, amount: {TOTAL}}}",
    ),
    "rate": ("{metric: requests, window: hour, amount: 1000}",),
    "budget": ("{metric: cost, window: month, amount: 10}",),
}
TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in LIMITS}
PRICES = """
INSERT INTO prices (model_id, meter, amount, per, valid_from)
SELECT id, meter, amount, 1000000, '2020-01-01' FROM models, (VALUES ('input', 1), ('output', 2)) AS p (meter, amount)
"""
LONG_LEASE_S = 30
"""Longer than a busy machine keeps a process waiting."""
LEASED = """
SELECT id, expires_at, expires_at - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS left_ms
  FROM ledger.replicas
"""
BOOKED = """
SELECT t.name, sum(r.prompt_tokens + r.completion_tokens)::int AS tokens, sum(r.cost * 1000000)::int AS micros
  FROM usage.requests r JOIN tokens t ON t.id = r.token_id GROUP BY 1
"""
_numbers = itertools.count(1)
pytestmark = pytest.mark.timeout(240)


def configure(url: str, folder: Path) -> None:
    teams = ", ".join(f"{{name: {name}}}" for name in LIMITS)
    tokens = "\n".join(f"- {{name: {name}, owner: 'team:o/{name}', token: 'env:TOKEN_{name}'}}" for name in LIMITS)
    limits = "\n".join(f"- {{subject: 'team:o/{name}', {rule[1:]}" for name, rules in LIMITS.items() for rule in rules)
    text = f"""
orgs: [{{slug: o, teams: [{teams}]}}]
tokens:
{tokens}
providers: [{{name: e, adapter: echo}}]
models: [{{name: echo, max_output_tokens: 1000, deployments: [{{provider: e}}]}}]
limits:
{limits}
"""
    apply_yaml(url, text, folder, {f"TOKEN_{name}": token for name, token in TOKENS.items()})
    execute(url, PRICES)


def used(process: ServingProcess, who: str) -> dict[str, int]:
    return {one["metric"]: one["used"] for one in standings(process, who)}


def send(process: ServingProcess, who: str) -> Answer:
    return process.chat("hello", token=TOKENS[who], max_tokens=20)


def booked(url: str) -> dict[str, int]:
    rows = fetch(
        url,
        """SELECT l.metric, (coalesce((SELECT sum(s.used) FROM ledger.slots s WHERE s.limit_id = l.id), 0)
                  + coalesce((SELECT sum(x.held) FROM ledger.leases x WHERE x.limit_id = l.id), 0))::bigint AS sum
             FROM limits l JOIN teams t ON t.id = l.team_id WHERE t.name = 'total'""",
    )
    return {str(row["metric"]): int(str(row["sum"])) for row in rows}


CLOCK = """
import os
import time
ahead_ns = int(os.environ["TEST_CLOCK_AHEAD_S"]) * 1_000_000_000
right_ns, right = time.time_ns, time.time
time.time_ns = lambda: right_ns() + ahead_ns
time.time = lambda: right() + ahead_ns / 1e9
"""


def set_clock(folder: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: int) -> None:
    """Have processes that are started from now on believe in another time."""
    code = folder / "clock"
    code.mkdir(exist_ok=True)
    (code / "sitecustomize.py").write_text(CLOCK, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(code))
    monkeypatch.setenv("TEST_CLOCK_AHEAD_S", str(ahead_s))


@pytest.mark.parametrize("ahead_s", [0, -5 * 3600, 5 * 3600])
def test_killed_gateway_leaves_exactly_what_its_requests_used_booked(
    gateway_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    """Whatever the clock of its machine says."""
    set_clock(tmp_path, monkeypatch, ahead_s)
    url = fresh_database(gateway_cluster, f"limit_faults_{next(_numbers)}")
    configure(url, tmp_path)
    folder = tmp_path / "serve"
    with serving("serve", folder, database_url=url, usage_flush_s="3600", limits_lease_s=LEASE_S) as process:
        assert [send(process, "total").status for _ in range(10)] == [200] * 10
        with Connection(process.port) as stream:
            stream.send(chat_request(SLOW, stream=True, token=TOKENS["total"], max_tokens=500))
            stream.read_until(b'"content":"')
            wait_until(lambda: booked(url).get("total_tokens", 0) > 500, 20.0, "it has reported")
            process.kill()
    set_clock(tmp_path, monkeypatch, 0)
    before = booked(url)
    assert before["requests"] > 11, "or nothing was held ahead, and the test shows nothing"

    with serving("serve", folder, database_url=url, usage_flush_s="0.1", limits_lease_s=LEASE_S) as process:
        rows = "SELECT prompt_tokens, completion_tokens, usage_source, reservations::text FROM usage.requests"
        wait_until(lambda: len(fetch(url, rows)) == 11, 30.0, "what the killed process owed")
        wait_until(lambda: booked(url)["requests"] == 11, 30.0, "what it held comes back")
        found = fetch(url, rows)
        ended = [row for row in found if row["usage_source"] == "provider"]
        assert len(ended) == 10
        (cut,) = [json.loads(str(row["reservations"])) for row in found if row["usage_source"] == "unsettled"]
        worst = {amount: left for _, _, _, amount, left, _ in cut["limits"]}[100_000]
        assert worst > 500
        assert all(left is None for *_, left in cut["limits"])
        truth = sum(int(str(row["prompt_tokens"])) + int(str(row["completion_tokens"])) for row in ended) + worst
        assert booked(url)["total_tokens"] == truth
        assert used(process, "total") == {"requests": 11, "total_tokens": truth}
        assert send(process, "total").status == 200
    after = booked(url)
    assert after["requests"] == 12
    (late,) = fetch(url, "SELECT min(started_at) - now() AS by FROM usage.requests WHERE usage_source = 'unsettled'")
    assert abs(late["by"].total_seconds() - ahead_s) < 200, "or its clock was right, and the test shows nothing"
    assert fetch(url, "SELECT 1 FROM ledger.slots WHERE replica_id <> '00000000-0000-0000-0000-000000000000'") == []


def test_store_out_of_reach_is_served_from_leases_then_refused_or_let_through_by_policy(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    url = own_cluster.url
    asyncio.run(migrate.upgrade(url))
    configure(url, tmp_path)
    settings = {"limits_lease_s": LEASE_S, "limits_fail_open": "rates", "usage_flush_s": "0.1"}
    with serving("serve", tmp_path / "serve", database_url=url, **settings) as process:
        sent = {"rate": 0, "budget": 0}

        def ask_both() -> dict[str, int]:
            statuses = {who: send(process, who).status for who in sent}
            for who, status in statuses.items():
                sent[who] += status == 200
            return statuses

        for _ in range(20):
            assert ask_both() == {"rate": 200, "budget": 200}
        threading.Event().wait(1.5)  # credits are held ahead by then
        assert metric(process, "aqueduct_limit_store_unreachable") == 0
        own_cluster.stop()
        assert ask_both() == {"rate": 200, "budget": 200}, "from what is held"

        def refused() -> bool:
            return ask_both()["budget"] == 503

        wait_until(refused, 30.0, "the lease is over")
        assert ask_both() == {"rate": 200, "budget": 503}
        answer = send(process, "budget")
        assert (answer.error()["code"], answer.headers["retry-after"]) == ("limits_unavailable", "1")
        assert metric(process, "aqueduct_limit_store_unreachable") == 1
        assert metric(process, 'aqueduct_limit_rejections_total{kind="unreachable",scope="team"}') > 0
        assert metric(process, 'aqueduct_limit_rejections_total{kind="open",scope="team"}') > 0
        assert "limits_store_unreachable" in process.output

        own_cluster.start()
        wait_until(lambda: ask_both() == {"rate": 200, "budget": 200}, 30.0, "it is back")
        wait_until(lambda: metric(process, "aqueduct_limit_store_unreachable") == 0, 30.0, "it is seen to be back")
        wait_until(lambda: used(process, "rate")["requests"] == sent["rate"], 30.0, "what was let through is counted")


def test_what_two_gateways_let_through_without_their_database_is_counted_when_it_is_back(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    """Whoever is back first books the lease of the other, which has counted more than it held."""
    url = own_cluster.url
    asyncio.run(migrate.upgrade(url))
    configure(url, tmp_path)
    settings = {"limits_lease_s": "2", "limits_fail_open": "all", "usage_flush_s": "0.1"}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(serving("serve", tmp_path / name, database_url=url, **settings)) for name in ("a", "b")
        ]

        def ask_all() -> None:
            for who in LIMITS:
                assert [send(process, who).status for process in processes] == [200, 200]

        ask_all()
        own_cluster.stop()
        opened = 'aqueduct_limit_rejections_total{kind="open",scope="team"}'
        for process in processes:
            wait_until(lambda one=process: metric(one, "aqueduct_limit_store_unreachable") == 1, 30.0, "it is seen")
        threading.Event().wait(2.5)  # their leases are over
        for _ in range(3):
            ask_all()
        assert all(metric(process, opened) >= 9 for process in processes)
        own_cluster.start()
        for process in processes:
            wait_until(lambda one=process: metric(one, "aqueduct_limit_store_unreachable") == 0, 30.0, "it is back")
        wait_until(lambda: len(fetch(url, "SELECT 1 FROM usage.requests")) == 24, 30.0, "all rows are written")
        booked_of = {str(row["name"]): row for row in fetch(url, BOOKED)}
        expected: dict[str, dict[str, object]] = {
            "total": {"requests": 8, "total_tokens": booked_of["total"]["tokens"]},
            "rate": {"requests": 8},
            "budget": {"cost": booked_of["budget"]["micros"]},
        }

        def all_told(process: ServingProcess) -> bool:
            return {who: used(process, who) for who in LIMITS} == expected

        for process in processes:
            wait_until(lambda one=process: all_told(one), 30.0, f"each of them tells {expected}")


@pytest.mark.parametrize("ahead_s", [-7200, 300])
def test_gateway_whose_clock_is_wrong_shares_limits_with_one_whose_clock_is_right(
    gateway_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    url = fresh_database(gateway_cluster, f"limit_faults_{next(_numbers)}")
    configure(url, tmp_path)
    with ExitStack() as stack:
        processes = []
        for name, by in (("right", 0), ("wrong", ahead_s)):
            set_clock(tmp_path, monkeypatch, by)
            folder = tmp_path / name
            processes.append(
                stack.enter_context(serving("serve", folder, database_url=url, limits_lease_s=str(LONG_LEASE_S)))
            )
        right, wrong = processes
        for who in LIMITS:
            assert [send(process, who).status for process in processes] == [200, 200]
        before = {row["id"]: row for row in fetch(url, LEASED)}
        assert len(before) == 2

        def renewed() -> bool:
            now = fetch(url, LEASED)
            assert all(0 < row["left_ms"] <= 1_000 * LONG_LEASE_S for row in now), "as long as any other"
            return all(row["expires_at"] > before[row["id"]]["expires_at"] for row in now)

        wait_until(renewed, 30.0, "both have reported again")
        for who in LIMITS:
            wait_until(lambda who=who: standings(right, who) == standings(wrong, who), 30.0, "they tell the same")
            assert all(one["used"] for one in standings(wrong, who))
        now = datetime.now(UTC)
        begins = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
        assert [one["resets_at"] for one in standings(wrong, "budget")] == [begins.timestamp()]
        assert fetch(url, "SELECT 1 FROM ledger.lapses") == [], "no lease was taken for expired"

        def send_both() -> list[Answer]:
            return [send(process, "total") for process in processes]

        served = 2
        until = time.monotonic() + 60
        while served < TOTAL and time.monotonic() < until:
            served += sum(answer.status == 200 for answer in send_both())
        assert served == TOTAL, "the limit is used to its end, whoever serves"
        assert {answer.error()["code"] for _ in range(3) for answer in send_both()} == {"insufficient_quota"}


def standings(process: ServingProcess, who: str) -> list[dict[str, object]]:
    answer = ask(process.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()
    limits: list[dict[str, object]] = answer["limits"]
    return limits


def metric(process: ServingProcess, name: str) -> float:
    found = re.search(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", process.get("/metrics").body.decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])
