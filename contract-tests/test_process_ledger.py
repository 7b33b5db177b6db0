"""Usage equals what the provider told, row by row, whatever is killed, stopped or full meanwhile. Traps 2, 5, 6 and 7.

Two gateways, one of two workers, serve clients of which some leave in the middle. Gateways and workers are killed,
PostgreSQL crashes and stays away, and the disk of one journal is full. `AQUEDUCT_SOAK=1` sends 5,000 requests through
many such rounds, with PostgreSQL away for a minute.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from gateway_fixtures import stoppable_cluster
from ledger_upstream import Call, LedgerUpstream
from raw_http import request_bytes
from running_gateway import ORGANISATION, TOKEN, apply_yaml
from serving_process import CHAT, ServingProcess, descendants, fetch, serving, wait_until, workers_of
from small_disk import SmallDisk, small_disk

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster

IS_SOAK = bool(os.environ.get("AQUEDUCT_SOAK"))
SEED = 20
CLIENTS = 16
REQUESTS = 5_000 if IS_SOAK else 400
AWAY_S = 60.0 if IS_SOAK else 3.0
DEEDS = {"workers killed", "gateways killed", "database away", "database crashed", "disk full"}
LEAVES = 0.15
"""The share of clients that hang up in the middle."""
PAUSE_S = 0.4
ROUNDS = 4 if IS_SOAK else 1
BETWEEN = 150 if IS_SOAK else 40
"""So many requests are sent before the next thing goes wrong."""
WORDS = "words " * 10
PROVIDER = """
providers: [{{name: books, adapter: openai_compatible, base_url: 'http://127.0.0.1:{port}/v1'}}]
models: [{{name: booked, deployments: [{{provider: books, upstream_model: bookkeeper}}]}}]
prices:
  - {{model: booked, meter: input, amount: '1', per: 1000000}}
  - {{model: booked, meter: output, amount: '2', per: 1000000}}
"""
ROWS = """
SELECT id::text, client_user, status, usage_source, prompt_tokens, completion_tokens, attempts, upstream_id,
       (cost * 1000000)::bigint AS micros
  FROM usage.requests
"""
pytestmark = pytest.mark.timeout(3600 if IS_SOAK else 240)

Outcome = Literal["whole", "left", "broken", "refused"]


@dataclass
class Sent:
    """What a client knows of a request of its own."""

    outcome: Outcome
    process: int
    at: float
    status: int = 0


@dataclass
class Fleet:
    """The gateways, and what their clients have seen of them. A place is None while its gateway is away."""

    url: str
    folder: Path
    disk: SmallDisk | None = None
    processes: list[ServingProcess | None] = field(default_factory=list)
    sent: dict[int, Sent] = field(default_factory=dict)
    deeds: Counter[str] = field(default_factory=Counter)
    full: list[tuple[float, float]] = field(default_factory=list)

    def count(self, process: int, outcome: Outcome) -> int:
        """How many requests of a gateway came out so."""
        return sum(one.process == process and one.outcome == outcome for one in list(self.sent.values()))


SETTINGS = {"usage_flush_s": "0.3"}


def start(fleet: Fleet, stack: ExitStack, place: int, workers: int = 2) -> None:
    """Start a gateway in its folder: the first has several workers, the second its journal on the small disk."""
    folder = fleet.folder / str(place)
    settings = {**SETTINGS, "database_url": fleet.url, "workers": str(workers) if place == 0 else "1"}
    if place == 1:
        assert fleet.disk is not None
        settings["journal_dir"] = str(fleet.disk.folder / "journal")
    process = stack.enter_context(serving("serve", folder, **settings))
    fleet.processes[place] = process


def kill_gateway(fleet: Fleet, stack: ExitStack, place: int) -> None:
    process = fleet.processes[place]
    assert process is not None
    process.kill()
    fleet.processes[place] = None
    fleet.deeds["gateways killed"] += 1
    start(fleet, stack, place)


def kill_worker(fleet: Fleet) -> None:
    process = fleet.processes[0]
    assert process is not None
    wait_until(lambda: len(workers_of(process)) == 2, 30.0, "two workers")
    os.kill(workers_of(process)[0], signal.SIGKILL)
    fleet.deeds["workers killed"] += 1


def crash_database(fleet: Fleet, cluster: Cluster) -> None:
    """Let PostgreSQL end without a chance to tidy up, and start it again."""
    server = int((cluster.data_dir / "postmaster.pid").read_text().split()[0])
    os.kill(server, signal.SIGQUIT)
    wait_until(lambda: not cluster.is_ready(), 30.0, "the server's end")
    cluster.start()
    fleet.deeds["database crashed"] += 1


def stop_database(fleet: Fleet, cluster: Cluster) -> None:
    cluster.stop()
    time.sleep(3.0 if fleet.deeds["database away"] else AWAY_S)
    cluster.start()
    fleet.deeds["database away"] += 1


def fill_disk(fleet: Fleet) -> None:
    """Fill the second gateway's disk until it refuses and the first goes on, then free it until it takes work again."""
    assert fleet.disk is not None
    refused, whole = fleet.count(1, "refused"), fleet.count(0, "whole")
    begun = time.monotonic()
    fleet.disk.fill()
    wait_until(lambda: fleet.count(1, "refused") >= refused + 3, 60.0, "new work refused")
    wait_until(lambda: fleet.count(0, "whole") >= whole + 5, 60.0, "the other gateway's answers")
    fleet.disk.free()
    freed, served = time.monotonic(), fleet.count(1, "whole")
    wait_until(lambda: fleet.count(1, "whole") >= served + 3, 60.0, "new work taken again")
    fleet.full.append((begun, freed))
    fleet.deeds["disk full"] += 1


async def ask(fleet: Fleet, number: int, chance: random.Random) -> None:
    """Send one request to a gateway that is there, and note how it came out."""
    streamed, leaves, place = chance.random() < 0.5, chance.random() < LEAVES, chance.randrange(2)
    patience_s = chance.uniform(0, 0.15)
    body: dict[str, object] = {
        "model": "booked",
        "user": f"r{number}",
        "messages": [{"role": "user", "content": WORDS}],
    }
    if streamed:
        body["stream"] = True
    data = request_bytes(CHAT, json.dumps(body).encode(), token=TOKEN, headers=(("connection", "close"),))
    while True:
        process = fleet.processes[place]
        try:
            if process is None:
                raise ConnectionRefusedError
            reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
            break
        except OSError:
            place = 1 - place
            await asyncio.sleep(0.05)
    sent = fleet.sent[number] = Sent("broken", place, time.monotonic())
    try:
        writer.write(data)
        async with asyncio.timeout(patience_s if leaves else 60.0):
            answer = await reader.read()
    except TimeoutError:
        sent.outcome = "left"
        assert leaves, f"request {number} got no answer"
    except ConnectionError:
        return
    else:
        sent.status = int(answer.split()[1]) if answer else 0
        sent.outcome = outcome_of(answer, sent.status, streamed=streamed)
    finally:
        writer.close()


def outcome_of(answer: bytes, status: int, *, streamed: bool) -> Outcome:
    if status == 503 and b'"gateway_overloaded"' in answer:
        return "refused"
    if streamed:
        return "whole" if answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") and b'"error"' not in answer else "broken"
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"-1")
    return "whole" if status == 200 and len(rest) == length else "broken"


async def run(fleet: Fleet, cluster: Cluster, stack: ExitStack) -> None:
    """Let the clients ask while one thing after another goes wrong."""
    chance = random.Random(SEED)
    numbers = iter(range(1, 10**9))
    over = asyncio.Event()

    async def client() -> None:
        while not (over.is_set() and len(fleet.sent) >= REQUESTS):
            await ask(fleet, next(numbers), chance)
            await asyncio.sleep(chance.uniform(0, PAUSE_S))

    async def trouble() -> None:
        deeds: list[Callable[[], None]] = [
            lambda: kill_worker(fleet),
            lambda: kill_gateway(fleet, stack, 1),
            lambda: stop_database(fleet, cluster),
            lambda: crash_database(fleet, cluster),
            lambda: fill_disk(fleet),
        ]
        if IS_SOAK:
            deeds.append(lambda: kill_gateway(fleet, stack, 0))
        for _ in range(ROUNDS):
            for deed in deeds:
                enough = len(fleet.sent) + BETWEEN
                await asyncio.to_thread(wait_until, lambda: len(fleet.sent) >= enough, 120.0, "requests")  # noqa: B023 - awaited at once
                await asyncio.to_thread(deed)
        over.set()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
        tasks.create_task(trouble())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server that may crash: what it has confirmed is in the system's hands."""
    with stoppable_cluster("fsync=off") as cluster:
        yield cluster


def test_rows_equal_what_the_provider_told_through_kills_outages_and_a_full_disk(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(migrate.upgrade(cluster.url))
    upstream = LedgerUpstream(SEED)
    fleet = Fleet(cluster.url, tmp_path, processes=[None, None])

    def second() -> list[int]:
        process = fleet.processes[1]
        return [] if process is None else [process.process.pid, *descendants(process.process.pid)]

    async def whole() -> None:
        await upstream.start()
        try:
            text = ORGANISATION + PROVIDER.format(port=upstream.port)
            await asyncio.to_thread(apply_yaml, fleet.url, text, tmp_path)
            for place in range(2):
                await asyncio.to_thread(start, fleet, stack, place)
            await run(fleet, cluster, stack)
        finally:
            await upstream.aclose()

    with small_disk(tmp_path / "disk", second) as disk:
        fleet.disk = disk
        with ExitStack() as stack:
            asyncio.run(whole())
        with ExitStack() as stack:  # whatever is left of the dead is found by who comes after them
            for place in range(2):
                start(fleet, stack, place, workers=1)
            journals = [tmp_path / "0" / ".aqueduct" / "journal", disk.folder / "journal"]
            wait_until(lambda: sum(1 for one in journals for _ in one.iterdir()) <= 3, 30.0, "the journals of the dead")
        assert [list(journal.iterdir()) for journal in journals] == [[], []]

    rows = fetch(fleet.url, ROWS)
    told = summary(fleet, upstream, rows)
    with capsys.disabled():
        print(f"\nledger: {told}; full disk by {disk.kind}")  # noqa: T201 - what the run has proved
    assert set(fleet.deeds) >= DEEDS
    check_rows(fleet, upstream, rows)
    check_rollups(fleet.url)
    check_refusals(fleet)


def summary(fleet: Fleet, upstream: LedgerUpstream, rows: list[dict[str, object]]) -> dict[str, object]:
    return {
        "requests": dict(Counter(one.outcome for one in fleet.sent.values())),
        "upstream calls": sum(map(len, upstream.calls.values())),
        "rows": dict(Counter(str(row["usage_source"]) for row in rows)),
        **fleet.deeds,
    }


def check_rows(fleet: Fleet, upstream: LedgerUpstream, rows: list[dict[str, object]]) -> None:
    by_number = {int(str(row["client_user"]).removeprefix("r")): row for row in rows if row["client_user"] is not None}
    assert len({row["id"] for row in rows}) == len(rows)
    assert len(by_number) == sum(row["client_user"] is not None for row in rows), "a row is doubled"
    assert set(upstream.calls) <= set(by_number), "a row is lost"
    for number, row in by_number.items():
        check_row(row, fleet.sent[number].outcome, upstream.calls.get(number, []))
    tried = fetch(
        fleet.url, "SELECT request_id::text AS id, array_agg(upstream_id) AS ids FROM usage.attempts GROUP BY 1"
    )
    ids = {str(row["id"]): row["ids"] for row in tried}
    for number, calls in upstream.calls.items():
        row = by_number[number]
        if row["usage_source"] == "provider":
            assert row["attempts"] == len(calls) == len(list(ids[str(row["id"])])), number  # type: ignore[call-overload]  # an array


def check_row(row: dict[str, object], outcome: Outcome, calls: list[Call]) -> None:
    """Hold a row against what the provider has told of its request, and what its client has seen."""
    source, counters = row["usage_source"], (row["prompt_tokens"], row["completion_tokens"])
    if outcome == "whole":
        assert source == "provider", row
    match source:
        case "provider":
            last = calls[-1]
            assert last.told, row
            assert counters == (last.prompt_tokens, last.completion_tokens), row
            assert row["micros"] == last.prompt_tokens + 2 * last.completion_tokens, row
            assert row["upstream_id"] == last.upstream_id, row
        case "unsettled":  # its process was killed with the request open
            assert outcome in {"broken", "left"}, row
            assert (row["status"], counters) == (0, (None, None)), row
        case "estimated" | "provider_partial":  # its client left: perhaps before the provider had it in full
            assert outcome == "left", row
            assert row["status"] == 499, row
        case _:
            assert not any(call.told and not call.refused for call in calls), row
            assert counters == (None, None), row


def check_rollups(url: str) -> None:
    sums = "sum({0})::bigint AS {0}"
    names = ("prompt_tokens", "completion_tokens", "cost")
    raw = fetch(
        url,
        "SELECT count(*) AS requests, count(*) FILTER (WHERE usage_source = 'unsettled') AS unsettled,"  # noqa: S608 - constants
        f" {', '.join(f'sum({name}) AS {name}' for name in names)} FROM usage.requests",
    )
    for table in ("usage_hourly", "usage_daily"):
        counted = ", ".join(
            sums.format(name) for name in ("requests", "unsettled", "prompt_tokens", "completion_tokens")
        )
        assert fetch(url, f"SELECT {counted}, sum(cost) AS cost FROM {table}") == raw  # noqa: S608 - our own name
    folded, daily = (
        "usage_ranked WHERE kind = 'user_month'",
        "usage_daily WHERE day <= (SELECT until FROM usage_ranked_until)",
    )
    sums_of = "SELECT coalesce(sum(requests), 0)::int AS requests, coalesce(sum(cost), 0) AS cost FROM"
    assert fetch(url, f"{sums_of} {folded}") == fetch(url, f"{sums_of} {daily}")


def check_refusals(fleet: Fleet) -> None:
    """New work is refused only by the gateway whose disk is full, and only from then on until shortly after."""
    for one in fleet.sent.values():
        if one.outcome == "refused":
            assert one.process == 1
            assert any(begun <= one.at <= freed + 5.0 for begun, freed in fleet.full)
