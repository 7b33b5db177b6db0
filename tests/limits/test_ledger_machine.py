"""Several replicas on the real ledger in PostgreSQL, with a clock of the test's own: no limit is ever exceeded.

Traps 9, 10, 11 and 12. What was consumed is kept by the test itself, at the true time of each reservation.
"""

import asyncio
import os
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from aqueduct.db.cluster import Cluster
from aqueduct.limits.ledger import Answer, Batch, Held, Ledger, Line, Take
from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.store import encode_items
from aqueduct.limits.windows import SLICES, slots_of

TTL_MS = 10_000
BEGIN_MS = 1_800_000_000_000
AMOUNTS = {"requests": 3, "total_tokens": 100, "cost": 40, "concurrency": 2}
SYNC_AT = "SELECT * FROM ledger.sync_at($1, $2, $3, $4, $5::text::jsonb)"


class Replica:
    """One process: its ledger, its clock's offset, and the reservations that are open in it."""

    def __init__(self, world: "Machine", skew_ms: int) -> None:
        self.id = uuid4()
        self.ledger = Ledger(lambda: world.now + skew_ms, ttl_ms=TTL_MS, report_ms=1000)
        self.open: list[tuple[tuple[Held, ...], dict[str, int], int]] = []


class Machine(RuleBasedStateMachine):
    connection: asyncpg.Connection
    runner: asyncio.Runner
    replicas: list[Replica]

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN_MS
        self.taken: dict[str, list[list[int]]] = {}
        self.slots_in_use = 0

    def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return self.runner.run(self.connection.fetch(statement, *arguments))

    @initialize()
    def begin(self) -> None:
        self.sql("DELETE FROM limits")
        self.sql("TRUNCATE ledger.replicas CASCADE")
        org = self.sql("SELECT id FROM orgs")[0][0]
        self.limits: list[Limit] = []
        for metric, period, calendar in (
            ("requests", "minute", False),
            ("total_tokens", "minute", False),
            ("cost", "day", True),
            ("concurrency", None, False),
        ):
            row = self.sql(
                "INSERT INTO limits (org_id, metric, period, calendar, amount) VALUES ($1,$2,$3,$4,$5) RETURNING id",
                org, metric, period, calendar, AMOUNTS[metric],
            )  # fmt: skip
            limit = Limit(
                id=row[0][0], scope="org", name="a", metric=metric, amount=AMOUNTS[metric], window=period,
                slots=slots_of(period, calendar=calendar),
            )  # fmt: skip
            self.limits.append(limit)
        self.member: UUID = org
        self.replicas = [Replica(self, skew) for skew in (0, -3_000, 70_000)]
        self.taken = {metric: [] for metric in AMOUNTS}

    def carried_out(self, replica: Replica, batch: Batch) -> Answer:
        rows = self.sql(SYNC_AT, self.now, replica.id, batch.number, TTL_MS, encode_items(batch.items))
        return Answer(self.now, tuple(Line(*row.values()) for row in rows))

    def sync(self, replica: Replica) -> None:
        batch = replica.ledger.prepare()
        replica.ledger.take_up(batch, self.carried_out(replica, batch))

    def takes(self, replica: Replica, tokens: int, cost: int) -> list[Take]:
        amounts = {"requests": 1, "total_tokens": tokens, "cost": cost, "concurrency": 1}
        return [
            Take(replica.ledger.account(Applied(limit, self.member)), amounts[limit.metric]) for limit in self.limits
        ]

    @rule(which=st.integers(0, 2), tokens=st.integers(1, 60), cost=st.integers(0, 15))
    def reserve(self, which: int, tokens: int, cost: int) -> None:
        replica = self.replicas[which]
        takes = self.takes(replica, tokens, cost)
        held = replica.ledger.reserve(takes)
        for _ in range(2):
            if held is not None:
                break
            replica.ledger.ask(replica.ledger.lacking(takes))
            self.sync(replica)
            held = replica.ledger.reserve(takes)
        if held is None:
            return
        amounts = {one.account.limit.metric: one.amount for one in held}
        entries = {metric: [self.now, amounts[metric]] for metric in AMOUNTS}
        for metric, entry in entries.items():
            self.taken[metric].append(entry)
        self.slots_in_use += 1
        replica.open.append((held, entries, 0))

    @rule(which=st.integers(0, 2), part=st.integers(0, 100), index=st.integers(0, 5))
    def settle(self, which: int, part: int, index: int) -> None:
        replica = self.replicas[which]
        if not replica.open:
            return
        held, entries, _ = replica.open.pop(index % len(replica.open))
        actual = {metric: entries[metric][1] * part // 100 for metric in ("total_tokens", "cost")}
        replica.ledger.settle(held, actual)
        for metric, amount in actual.items():
            entries[metric][1] = amount
        entries["concurrency"][1] = 0
        self.slots_in_use -= 1

    @rule(which=st.integers(0, 2))
    def report(self, which: int) -> None:
        self.sync(self.replicas[which])

    @rule(which=st.integers(0, 2))
    def lose_the_answer(self, which: int) -> None:
        replica = self.replicas[which]
        self.carried_out(replica, replica.ledger.prepare())

    @rule(which=st.integers(0, 2))
    def lose_the_batch(self, which: int) -> None:
        self.replicas[which].ledger.prepare()

    @rule(which=st.integers(0, 2))
    def crash(self, which: int) -> None:
        replica = self.replicas[which]
        for _, entries, _ in replica.open:
            entries["concurrency"][1] = 0  # its requests end with it
            self.slots_in_use -= 1
        self.replicas[which] = Replica(self, 0)

    @rule(passed=st.sampled_from([1, 900, 1_200, 5_000, 11_000, 30_000, 61_200, 90_000_000]))
    def wait(self, passed: int) -> None:
        self.now += passed

    @invariant()
    def no_window_is_exceeded(self) -> None:
        for metric in ("requests", "total_tokens"):
            entries = self.taken.get(metric, [])
            for begin, _ in entries:
                total = sum(amount for at, amount in entries if begin <= at < begin + 60_000)
                assert total <= AMOUNTS[metric], (metric, begin, total)
        days: dict[int, int] = {}
        for at, amount in self.taken.get("cost", []):
            days[at // 86_400_000] = days.get(at // 86_400_000, 0) + amount
        assert max(days.values(), default=0) <= AMOUNTS["cost"]

    @invariant()
    def database_holds_the_sum(self) -> None:
        if not hasattr(self, "limits"):
            return
        for row in self.sql(
            """SELECT l.metric, l.amount, coalesce((SELECT sum(held) FROM ledger.leases x WHERE x.limit_id = l.id), 0)
                 + coalesce((SELECT sum(used) FROM ledger.slots x WHERE x.limit_id = l.id
                              AND (l.metric <> 'cost' AND x.slot >= $1 OR x.slot >= $2)), 0) AS sum FROM limits l""",
            self.now // 1_200 - SLICES, self.now // 86_400_000 * 86_400_000,
        ):  # fmt: skip
            if row["metric"] != "concurrency":
                assert row["sum"] <= row["amount"], row

    def teardown(self) -> None:
        """No credit leaks: once all is settled, lapsed and past, the whole limit can be had again."""
        if not hasattr(self, "limits"):
            return
        for replica in self.replicas:
            for held, _, _ in replica.open:
                replica.ledger.settle(held, {"total_tokens": 0, "cost": 0})
            with suppress(IndexError):
                self.sync(replica)
        self.now += 2 * 86_400_000
        last = Replica(self, 0)
        self.sync(last)
        for limit in self.limits:
            take = Take(last.ledger.account(Applied(limit, self.member)), limit.amount)
            last.ledger.ask([take])
            self.sync(last)
            assert last.ledger.reserve([take]) is not None, f"{limit.metric} leaks: {take.account.spent}"


@pytest.fixture
def machine(postgres: Cluster, database_url: str) -> type[RuleBasedStateMachine]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database_url))
        runner.run(connection.execute("INSERT INTO orgs (slug, name) VALUES ('a', 'A')"))
        Machine.connection, Machine.runner = connection, runner
        yield Machine
        runner.run(connection.close(timeout=5))


@pytest.mark.timeout(900)
def test_ledger_of_three_replicas_never_exceeds_and_never_leaks(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=500 if os.environ.get("AQUEDUCT_SOAK") else 20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
