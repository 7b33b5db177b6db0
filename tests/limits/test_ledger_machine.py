"""Several replicas on the real ledger in PostgreSQL, with a clock of the test's own: no limit is ever exceeded.

Traps 9, 10, 11 and 12. What was consumed is kept by the test itself, at the true time of each reservation.
"""

import asyncio
import os
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from aqueduct.db.cluster import Cluster
from aqueduct.limits.batch import Answer, Batch, Line
from aqueduct.limits.held import Held, Take, used_of
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.reserved import Reserved, ReservedOf, encode
from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.store import encode_items
from aqueduct.limits.windows import SLICES, slots_of

TTL_MS = 10_000
BEGIN_MS = 1_800_000_000_000
AMOUNTS = {"requests": 3, "total_tokens": 100, "cost": 40, "input_tokens": 300, "concurrency": 2, "output_tokens": 50}
SETTLED = ("total_tokens", "cost", "input_tokens", "output_tokens")
COUNTED = "output_tokens"
"""In mode `shadow`: never refused, also beyond its amount and by a replica whose lease has lapsed."""
ROW = """
INSERT INTO usage.requests
    (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts, violations, dropped_params,
     reservations)
VALUES ($1, to_timestamp($2::bigint / 1000.0), 1, '/', 'chat', false, 200, 1, '{}', '{}', $3::text::jsonb)
"""
CRASHES = 2
"""Of three replicas, the one that is killed at the end of a history; the others end in order."""
WALL_AHEAD_MS = (0, -3 * 3_600_000, 26 * 3_600_000)
"""How far the clocks of the replicas' machines are from the database's: their usage rows have those times."""
SYNC_AT = "SELECT * FROM ledger.sync_at($1, $2, $3, $4, $5::text::jsonb)"


class Replica:
    """One process: its ledger, its clock's offset, and the reservations that are open in it."""

    def __init__(self, world: "Machine", skew_ms: int, wall_ahead_ms: int = 0) -> None:
        self.id = uuid4()
        self.wall_ahead_ms = wall_ahead_ms
        self.ledger = Ledger(lambda: world.now + skew_ms, ttl_ms=TTL_MS, report_ms=1000)
        self.open: list[tuple[tuple[Held, ...], dict[str, list[int]], int]] = []
        self.began = world.now
        self.rows: list[tuple[int, tuple[Held, ...], dict[str, int]]] = []

    def row(self, at: int, held: tuple[Held, ...], actual: dict[str, int] | None) -> tuple[UUID, int, str]:
        """Return a request's row as the gateway keeps it; `actual` None: it never ended."""
        used = [None] * len(held) if actual is None else used_of(held, actual, ())
        limits = tuple(
            ReservedOf(one.account.limit.id, one.account.member, one.slot, one.account.limit.amount, one.amount, spent)
            for one, spent in zip(held, used, strict=True)
        )
        return uuid4(), at + self.wall_ahead_ms, encode(Reserved(self.id, limits)).decode()


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
        self.sql("TRUNCATE usage.requests")
        org = self.sql("SELECT id FROM orgs")[0][0]
        self.limits: list[Limit] = []
        for metric, period, calendar in (
            ("requests", "minute", False),
            ("total_tokens", "minute", False),
            ("cost", "day", True),
            ("input_tokens", "total", False),
            ("concurrency", None, False),
            (COUNTED, "total", False),
        ):
            mode = "shadow" if metric == COUNTED else "enforce"
            row = self.sql(
                "INSERT INTO limits (org_id, metric, period, calendar, amount, mode) VALUES ($1,$2,$3,$4,$5,$6)"
                " RETURNING id",
                org, metric, period, calendar, AMOUNTS[metric], mode,
            )  # fmt: skip
            limit = Limit(
                id=row[0][0], scope="org", name="a", metric=metric, amount=AMOUNTS[metric], window=period,
                slots=slots_of(period, calendar=calendar), mode=mode,
            )  # fmt: skip
            self.limits.append(limit)
        self.member: UUID = org
        self.dead: list[tuple[UUID, list[tuple[UUID, int, str]]]] = []
        self.replicas = [Replica(self, skew, WALL_AHEAD_MS[which]) for which, skew in enumerate((0, -3_000, 70_000))]
        for replica in self.replicas:
            self.enter(replica)
        self.taken = {metric: [] for metric in AMOUNTS}

    def carried_out(self, replica: Replica, batch: Batch) -> Answer:
        rows = self.sql(SYNC_AT, self.now, replica.id, batch.number, TTL_MS, encode_items(batch.items))
        return Answer(self.now, tuple(Line(*row.values()) for row in rows))

    def enter(self, replica: Replica) -> None:
        self.sql(
            "INSERT INTO ledger.replicas (id, number, started_at, expires_at) VALUES ($1, 0, $2, $3)",
            replica.id, self.now, self.now + TTL_MS,
        )  # fmt: skip
        self.sql(
            "UPDATE ledger.replicas SET clock_early = $2, clock_late = $2 WHERE id = $1",
            replica.id, replica.wall_ahead_ms,
        )  # fmt: skip

    def settled_dead(self, which: int) -> None:
        """Write the rows that a crashed replica's journal holds, and settle it by them."""
        gone, rows = self.dead.pop(which)
        for row in rows:
            self.sql(ROW, *row)
        assert self.sql("SELECT * FROM ledger.settle_at($1, $2)", self.now, gone) is not None
        assert self.sql("SELECT * FROM ledger.settle_at($1, $2)", self.now, gone) == [], "it is settled once"

    def sync(self, replica: Replica) -> None:
        batch = replica.ledger.prepare()
        replica.ledger.take_up(batch, self.carried_out(replica, batch))

    def takes(self, replica: Replica, tokens: int, cost: int) -> list[Take]:
        amounts = {**dict.fromkeys(SETTLED, tokens), "requests": 1, "cost": cost, "concurrency": 1}
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
        replica.open.append((held, entries, self.now))

    @rule(which=st.integers(0, 2), part=st.integers(0, 100), index=st.integers(0, 5))
    def settle(self, which: int, part: int, index: int) -> None:
        replica = self.replicas[which]
        if not replica.open:
            return
        held, entries, at = replica.open.pop(index % len(replica.open))
        actual = {metric: entries[metric][1] * part // 100 for metric in SETTLED}
        replica.ledger.settle(held, actual)
        replica.rows.append((at, held, dict(actual)))
        for metric, amount in actual.items():
            entries[metric][1] = amount
        entries["concurrency"][1] = 0
        self.slots_in_use -= 1

    @rule(which=st.integers(0, 2))
    def report(self, which: int) -> None:
        self.sync(self.replicas[which])

    @rule(which=st.integers(0, 2), index=st.integers(0, 5))
    def call(self, which: int, index: int) -> None:
        """Another replica lacks credits: with its next report this one gives back what is idle."""
        self.replicas[which].ledger.called(self.limits[index].id, self.member)

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
        rows = [replica.row(*one) for one in replica.rows] + [
            replica.row(at, held, None) for held, _, at in replica.open
        ]
        self.dead.append((replica.id, rows))
        self.replicas[which] = Replica(self, 0, WALL_AHEAD_MS[which])
        self.enter(self.replicas[which])

    def leave(self, replica: Replica) -> None:
        """End in order; an unanswered batch goes first."""
        replica.ledger.close()
        for _ in range(2):
            self.sync(replica)
        self.sql("SELECT ledger.leave($1)", replica.id)
        assert self.sql("SELECT settled FROM ledger.replicas WHERE id = $1", replica.id)[0][0]

    @rule(index=st.integers(0, 5))
    def replay(self, index: int) -> None:
        if self.dead:
            self.settled_dead(index % len(self.dead))

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
        assert sum(amount for _, amount in self.taken.get("input_tokens", [])) <= AMOUNTS["input_tokens"]

    @invariant()
    def database_holds_the_sum(self) -> None:
        if not hasattr(self, "limits"):
            return
        for row in self.sql(
            """SELECT l.metric, l.amount, coalesce((SELECT sum(held) FROM ledger.leases x WHERE x.limit_id = l.id), 0)
                 + coalesce((SELECT sum(used) FROM ledger.slots x WHERE x.limit_id = l.id
                              AND (l.period = 'total' OR l.metric <> 'cost' AND x.slot >= $1 OR x.slot >= $2)), 0)
                 AS sum FROM limits l""",
            self.now // 1_200 - SLICES, self.now // 86_400_000 * 86_400_000,
        ):  # fmt: skip
            if row["metric"] not in ("concurrency", COUNTED):
                assert row["sum"] <= row["amount"], row

    def teardown(self) -> None:
        """No credit leaks: once all is settled, lapsed and past, the whole limit can be had again.

        In the window `total` that is what no request has used, to the unit, whatever has crashed, or lapsed and ended
        in order.
        """
        if not hasattr(self, "limits"):
            return
        for which, replica in enumerate(self.replicas):
            for held, entries, _ in replica.open:
                replica.ledger.settle(held, dict.fromkeys(SETTLED, 0))
                for metric in SETTLED:
                    entries[metric][1] = 0
                replica.rows.append((self.now, held, dict.fromkeys(SETTLED, 0)))
            replica.open.clear()
            if which == CRASHES:
                self.crash(which)
            else:
                self.leave(replica)
        while self.dead:
            self.settled_dead(0)
        self.now += 2 * 86_400_000
        last = Replica(self, 0)
        self.sync(last)
        for limit in self.limits:
            amount = limit.amount
            account = last.ledger.account(Applied(limit, self.member))
            if limit.window == "total":
                used = sum(used for _, used in self.taken[limit.metric])
                last.ledger.peek([account])
                self.sync(last)
                assert (account.used, account.others) == (used, 0), limit.metric
                amount -= used
            if amount <= 0 or limit.mode == "shadow":
                continue
            take = Take(account, amount)
            last.ledger.ask([take])
            self.sync(last)
            assert last.ledger.reserve([take]) is not None, f"{limit.metric} leaks: {take.account.spent}"


@pytest.fixture
def machine(postgres: Cluster, database_url: str) -> type[RuleBasedStateMachine]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database_url))
        begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (BEGIN_MS, BEGIN_MS + 400 * 86_400_000))
        runner.run(connection.execute("SELECT usage.ensure_partitions($1, $2)", begin, end))
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
