"""The task that keeps leases, on the real ledger, with several replicas in one process. Traps 9, 10 and 13."""

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from aqueduct.limits.account import Account
from aqueduct.limits.batch import MAX_ITEMS
from aqueduct.limits.held import Take
from aqueduct.limits.leases import Leases, Unreachable
from aqueduct.limits.rules import Applied
from aqueduct.limits.windows import slots_of
from tests.limits.conftest import MakeLimit
from tests.limits.replicas import attempt, replica
from tests.usage.recording import until

LOCK = "SELECT FROM ledger.counters WHERE member_id = $1 FOR UPDATE"
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ledger.sync%'"


@pytest.mark.parametrize("amount", [1, 3, 100, 2_000])
async def test_limit_under_many_clients_of_four_replicas_is_used_to_its_end_and_no_further(
    database_url, make_limit, amount
):
    applied = await make_limit("requests", amount, "hour")
    async with AsyncExitStack() as stack:
        replicas = [(await stack.enter_async_context(replica(database_url)))[0] for _ in range(4)]
        admitted = 0

        async def client(leases: Leases) -> None:
            nonlocal admitted
            refused = 0
            until = time.monotonic() + 20
            while refused < 15 and admitted < amount and time.monotonic() < until:
                if isinstance(await attempt(leases, applied), tuple):
                    admitted += 1
                else:
                    refused += 1
                    await asyncio.sleep(0.1)

        await asyncio.gather(*(client(leases) for leases in replicas for _ in range(25)))
        assert admitted <= amount
        assert admitted >= 0.97 * amount
        refused = await attempt(replicas[0], applied)
        assert isinstance(refused, Account)


async def test_warm_admission_makes_no_round_trip(database_url, make_limit):
    applied = await make_limit("requests", 1_000_000, "hour")
    async with replica(database_url, report_s=30) as (leases, store):
        for _ in range(20):
            await attempt(leases, applied)
        before = store.carried
        held = [leases.ledger.reserve([Take(leases.ledger.account(applied), 1)]) for _ in range(3)]
        assert store.carried == before
        assert None not in held


async def test_settled_tokens_come_back_at_once(database_url, make_limit):
    applied = await make_limit("total_tokens", 1000, "hour")
    async with replica(database_url) as (leases, _):
        held = await attempt(leases, applied, 900)
        assert isinstance(await attempt(leases, applied, 900), Account)
        leases.ledger.settle(held, {"total_tokens": 50})
        await asyncio.sleep(0.15)  # a refusal is repeated for 0.1 s
        assert isinstance(await attempt(leases, applied, 900), tuple)


async def test_refusal_names_the_limit_of_which_credits_are_the_last_to_come_back(database_url, make_limit):
    """A client that waits for the second alone would be refused again and again, for an hour."""
    applied = [await make_limit("requests", 1, window) for window in ("second", "hour", "minute")]
    async with replica(database_url) as (leases, _):
        takes = [Take(leases.ledger.account(one), 1) for one in applied]
        assert isinstance(await leases.acquire(takes), tuple)
        refused = await leases.acquire(takes)
        assert isinstance(refused, Account)
        assert refused.limit.window == "hour"


async def test_slot_of_one_replica_freed_is_taken_by_another(database_url, make_limit):
    applied = await make_limit("concurrency", 1, None)
    async with replica(database_url) as (first, _), replica(database_url) as (second, _):
        held = await attempt(first, applied)
        assert isinstance(await attempt(second, applied), Account)
        first.ledger.settle(held, {})
        first.hurry()
        for _ in range(200):
            if taken := isinstance(await attempt(second, applied), tuple):
                break
            await asyncio.sleep(0.05)
        assert taken


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for others' credits as long as a loaded machine may need."""
    monkeypatch.setattr("aqueduct.limits.ledger.CALL_MS", 4_000)
    monkeypatch.setattr("aqueduct.limits.leases.MAX_ROUNDS", 1_000)


@pytest.mark.parametrize(
    ("limit", "needed", "used"),
    [(("concurrency", 2, None), 1, 0), (("concurrency", 1, None), 1, 0), (("total_tokens", 100, "minute"), 40, 1)],
)
@pytest.mark.usefixtures("patient")
async def test_one_client_that_asks_every_replica_in_turn_is_not_refused_for_what_others_hold_idle(
    database_url, make_limit, limit, needed, used
):
    """Reports would return it after a minute alone: replicas call each other."""
    applied = await make_limit(*limit)
    async with AsyncExitStack() as stack:
        replicas = [(await stack.enter_async_context(replica(database_url, report_s=60)))[0] for _ in range(3)]
        for number in range(24):
            leases = replicas[number % 3]
            held = await attempt(leases, applied, needed)
            assert isinstance(held, tuple), f"request {number} is refused"
            leases.ledger.settle(held, {"total_tokens": used})


async def test_limit_that_is_in_use_elsewhere_is_refused_at_once_but_for_one_look(database_url, make_limit):
    """A saturated limit must not make each refusal wait, nor call others each time."""
    applied = await make_limit("concurrency", 3, None)
    async with replica(database_url) as (first, _), replica(database_url) as (second, store):
        held = [await attempt(first, applied) for _ in range(3)]
        assert all(isinstance(one, tuple) for one in held)
        refused = [await attempt(second, applied) for _ in range(20)]
        assert all(isinstance(one, Account) for one in refused)
        assert 1 <= store.calls <= 5


async def test_standing_holds_what_other_replicas_have_not_reported_yet(database_url, make_limit):
    applied = [await make_limit("total_tokens", 10_000, "hour", mode=mode) for mode in ("enforce", "shadow")]
    async with replica(database_url, report_s=60) as (first, _), replica(database_url, report_s=60) as (second, _):
        for number in range(1, 4):
            takes = [Take(first.ledger.account(one), 50) for one in applied]
            held = await first.acquire(takes)
            assert isinstance(held, tuple)
            first.ledger.settle(held, {"total_tokens": 7})
            asked = [second.ledger.account(one) for one in applied]
            for _ in range(100):
                assert await second.refresh(asked)
                if [one.spent for one in asked] == [7 * number] * 2:
                    break
                await asyncio.sleep(0.05)
            assert [one.spent for one in asked] == [7 * number] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [("second", "day"), ("minute", "hour"), ("hour", "minute"), ("week", "month"), ("total", "minute")],
)
async def test_window_that_is_edited_in_place_counts_anew(database_url, make_limit, connection, before, after):
    """Slots are numbered by their length: those of a minute lie thousands of years ahead of those of an hour."""
    applied = await make_limit("requests", 10, before)
    async with replica(database_url) as (leases, _):
        assert isinstance(await attempt(leases, applied, 10), tuple)
        await leases.refresh([leases.ledger.account(applied)])
        await connection.execute("UPDATE limits SET period = $2 WHERE id = $1", applied.limit.id, after)
        slots = slots_of(after, calendar=False)
        edited = Applied(msgspec.structs.replace(applied.limit, window=after, slots=slots), applied.member)
        account = leases.ledger.account(edited)
        await leases.refresh([account])
        await leases.refresh([account])
        assert (account.spent, account.remaining) == (0, 10)
        assert isinstance(await attempt(leases, edited, 10), tuple)


async def test_store_out_of_reach_serves_held_credits_and_then_says_so(database_url, make_limit):
    applied = await make_limit("requests", 1_000_000, "hour")
    async with replica(database_url) as (leases, store):
        for _ in range(20):
            await attempt(leases, applied)
        held = leases.ledger.account(applied).slack
        store.is_out = True
        served = 0
        while isinstance(outcome := await attempt(leases, applied), tuple):
            served += 1
            assert served <= 10_000
        assert outcome is Unreachable.UNREACHABLE
        assert served >= held > 0
        store.is_out = False
        assert isinstance(await attempt(leases, applied), tuple)


async def test_closed_replica_has_given_back_what_it_held(database_url, make_limit, connection: asyncpg.Connection):
    applied = await make_limit("requests", 1_000, "hour")
    async with replica(database_url) as (leases, _):
        for _ in range(30):
            await attempt(leases, applied)
    assert await connection.fetchval("SELECT sum(held) FROM ledger.leases") == 0
    assert await connection.fetchval("SELECT sum(used) FROM ledger.slots") == 30


async def test_closed_replica_has_given_back_what_it_held_of_however_many_counters(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection
) -> None:
    applied = await make_limit("requests", 1_000_000, "total")
    async with replica(database_url, report_s=60) as (leases, _):
        members = [Applied(applied.limit, uuid4()) for _ in range(2 * MAX_ITEMS + 7)]
        outcomes = await asyncio.gather(*(attempt(leases, one) for one in members))
        assert all(isinstance(one, tuple) for one in outcomes)
        assert await connection.fetchval("SELECT sum(held) FROM ledger.leases") > len(members)
    assert await connection.fetchval("SELECT sum(held) FROM ledger.leases") == 0
    assert await connection.fetchval("SELECT sum(used) FROM ledger.slots") == len(members)
    assert await connection.fetchval("SELECT bool_and(settled) FROM ledger.replicas")


async def test_shadow_limit_counts_and_never_refuses(database_url, make_limit, connection):
    applied = await make_limit("requests", 2, "hour", mode="shadow")
    async with replica(database_url) as (leases, _):
        assert all([isinstance(await attempt(leases, applied), tuple) for _ in range(5)])
    assert await connection.fetchval("SELECT sum(used) FROM ledger.slots") == 5


async def test_warm_admission_over_six_limits_costs_less_than_50_us(database_url, make_limit):
    many = [await make_limit("requests", 10**9, "hour") for _ in range(6)]
    async with replica(database_url, report_s=30) as (leases, _):
        takes = [Take(leases.ledger.account(applied), 1) for applied in many]
        for one in takes:
            one.account.slack = 10**6
        best = float("inf")
        for _ in range(20):
            begun = time.process_time()
            for _ in range(200):
                held = leases.ledger.reserve([Take(leases.ledger.account(applied), 1) for applied in many])
                assert held is not None
                leases.ledger.settle(held, {"requests": 1})
            best = min(best, (time.process_time() - begun) / 200)
        assert best < 50e-6


async def test_replica_that_has_served_nobody_tells_what_others_counted(database_url, make_limit):
    applied = await make_limit("requests", 100, "hour")
    async with replica(database_url) as (leases, _), replica(database_url) as (other, _):
        for _ in range(7):
            assert isinstance(await attempt(leases, applied), tuple)
        await leases.refresh([leases.ledger.account(applied)])
        account = other.ledger.account(applied)
        assert await other.refresh([account])
        assert account.spent == 7


async def test_requests_that_would_do_with_less_share_what_there_is(database_url, make_limit):
    applied = await make_limit("total_tokens", 3_000, "hour")
    async with replica(database_url) as (leases, _):
        account = leases.ledger.account(applied)
        outcomes = await asyncio.gather(*(leases.acquire([Take(account, 2_000, 700)]) for _ in range(8)))
        held = [outcome[0].amount for outcome in outcomes if isinstance(outcome, tuple)]
        assert held == [2_000, 1_000]
        leases.ledger.settle(outcomes[0], {"total_tokens": 1_200})
        assert await until_held(leases, [Take(account, 2_000, 700)]) == 800


async def until_held(leases: Leases, takes: list[Take]) -> int:
    """Return what was reserved once something was: a refusal is repeated for 0.1 s."""
    for _ in range(200):
        outcome = await leases.acquire(takes)
        if isinstance(outcome, tuple):
            return outcome[0].amount
        await asyncio.sleep(0.05)
    pytest.fail("nothing comes back")


async def test_limit_whose_metric_is_edited_begins_at_nothing_for_every_replica(
    database_url: str, make_limit: MakeLimit
) -> None:
    """Slots counted in micro-units of money are no requests: neither what was reported nor what still will be."""
    applied = await make_limit("cost", 1_000_000, "total")
    edited = Applied(msgspec.structs.replace(applied.limit, metric="requests", amount=10), applied.member)
    connection = await asyncpg.connect(database_url)
    async with replica(database_url) as (first, _), replica(database_url) as (second, _):
        for leases in (first, second):
            assert isinstance(await attempt(leases, applied, 900), tuple)
            await leases.refresh([leases.ledger.account(applied)])
        held, later = await attempt(second, applied, 700), await attempt(second, applied, 600)
        await connection.execute("UPDATE limits SET metric = 'requests', amount = 10 WHERE id = $1", applied.limit.id)
        for one, cost in ((held, 650), (later, 10_000)):  # by the former limit: its catalog has not come yet
            assert isinstance(one, tuple)
            second.ledger.settle(one, {"cost": cost})
            await second.refresh([second.ledger.account(applied)])
        taken = [
            isinstance(await leases.acquire([Take(leases.ledger.account(edited, 1), 1)]), tuple)
            for leases in (first, second) * 6
        ]
        assert sum(taken) == 10
    assert await connection.fetchval("SELECT sum(used) FROM ledger.slots WHERE limit_id = $1", applied.limit.id) == 10
    await connection.close(timeout=5)


async def test_report_that_a_deadlock_has_ended_is_carried_out_all_the_same(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection
) -> None:
    """Who removes or edits a limit locks its counters in an order of the database's own."""
    applied = await make_limit("requests", 100, "hour")
    first, second = (Applied(applied.limit, member) for member in (UUID(int=1), UUID(int=2)))
    async with replica(database_url, report_s=60) as (leases, _):
        for one in (first, second):
            assert isinstance(await attempt(leases, one, 10), tuple)
        failures = leases.failures
        await connection.execute("SET deadlock_timeout = '60s'")  # it is the report that notices
        async with connection.transaction():
            await connection.execute(LOCK, second.member)
            reporting = asyncio.create_task(leases.refresh([leases.ledger.account(one) for one in (first, second)]))
            await until(lambda: is_waited_for(database_url))
            await connection.execute(LOCK, first.member)  # once the report was ended
        assert await reporting
        assert leases.failures == failures


async def is_waited_for(url: str) -> bool:
    """Whether somebody waits for a lock."""
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval(WAITS))
    finally:
        await connection.close(timeout=5)
