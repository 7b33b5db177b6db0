"""A replica whose lease lapsed while it lived, because it alone could not reach the database: nothing is lost by it."""

import time
from uuid import UUID, uuid4

import asyncpg
import pytest

from aqueduct.limits.batch import Batch
from aqueduct.limits.leases import Leases
from aqueduct.limits.rules import Applied
from aqueduct.limits.store import PostgresStore
from tests.limits.conftest import MakeLimit
from tests.limits.replicas import TTL_MS, attempt, replica

LAPSE = """
UPDATE ledger.replicas SET expires_at = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2 WHERE id = $1
"""
WINDOWS = ["hour", "total"]


async def lapse(
    connection: asyncpg.Connection, gone: UUID, other: Leases, applied: Applied, *, since_ms: int = 1
) -> int:
    """Let a replica's lease lapse, and another one take note of it; returns what is booked then."""
    await connection.execute(LAPSE, gone, since_ms)
    theirs = other.ledger.account(applied)
    await other.refresh([theirs])
    return theirs.used


async def seen_by(other: Leases, applied: Applied) -> tuple[int, int]:
    theirs = other.ledger.account(applied)
    await other.refresh([theirs])
    return theirs.used, theirs.others


@pytest.mark.parametrize("window", WINDOWS)
async def test_replica_that_is_heard_of_again_holds_again_what_it_held(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection, window: str
) -> None:
    applied = await make_limit("total_tokens", 1_000, window)
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, _):
        held = await attempt(leases, applied, 40)
        assert isinstance(held, tuple)
        account = leases.ledger.account(applied)
        booked = await lapse(connection, name, other, applied)
        assert booked == 40 + account.slack > 40, "all that it held"
        leases.ledger.settle(held, {"total_tokens": 7})
        await leases.refresh([account])
        assert account.slack > 0, "it goes on with what it had"
        assert await seen_by(other, applied) == (7, account.slack)
        assert isinstance(await attempt(leases, applied, 1_000 - 7), tuple), "the whole rest can be had, at once"
    assert await connection.fetchval("SELECT sum(used) FROM ledger.slots") == 1_000
    assert await connection.fetchval("SELECT count(*) FROM ledger.lapses") == 0


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_a_lapsed_replica_let_through_without_credits_is_counted(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection, window: str
) -> None:
    """Limits in shadow, and those that a policy opens without a database, are counted when it is back."""
    applied = await make_limit("requests", 5, window, mode="shadow")
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, _):
        assert isinstance(await attempt(leases, applied), tuple)
        await leases.refresh([leases.ledger.account(applied)])
        assert await lapse(connection, name, other, applied) == 1
        for _ in range(30):
            assert isinstance(await attempt(leases, applied), tuple)
        await leases.refresh([leases.ledger.account(applied)])
        assert await seen_by(other, applied) == (31, 0)


async def test_lease_of_a_slot_that_has_passed_is_not_had_again_and_what_was_used_since_is_counted(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection
) -> None:
    applied = await make_limit("requests", 100, "minute")
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, _):
        assert isinstance(await attempt(leases, applied, 30), tuple)
        account = leases.ledger.account(applied)
        assert await lapse(connection, name, other, applied, since_ms=120_000) == 0, "it is out of the window"
        await leases.refresh([account])
        assert await seen_by(other, applied) == (30, account.slack)
        assert account.slack < 70, "what it held is not added to what was free"


@pytest.mark.parametrize("window", WINDOWS)
async def test_batch_that_was_carried_out_before_the_lapse_is_not_carried_out_twice(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection, window: str
) -> None:
    applied = await make_limit("total_tokens", 1_000, window)
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, store):
        held = await attempt(leases, applied, 40)
        assert isinstance(held, tuple)
        leases.ledger.settle(held, {"total_tokens": 9})
        batch = leases.ledger.prepare()
        await store.store.sync(batch)  # the answer is lost
        await lapse(connection, name, other, applied)
        await leases.refresh([leases.ledger.account(applied)])
        assert await seen_by(other, applied) == (9, leases.ledger.account(applied).slack)


async def test_slots_of_a_replica_that_is_heard_of_again_are_those_that_it_says(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection
) -> None:
    """Others may have had them meanwhile: its requests still run, and it gets no others until there is room."""
    applied = await make_limit("concurrency", 2, None)
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, _):
        held = [await attempt(leases, applied) for _ in range(2)]
        assert all(isinstance(one, tuple) for one in held)
        await lapse(connection, name, other, applied)
        theirs = await attempt(other, applied)
        assert isinstance(theirs, tuple), "they come back at once"
        await leases.refresh([leases.ledger.account(applied)])
        assert not isinstance(await attempt(leases, applied), tuple)
        other.ledger.settle(theirs, {})
        await other.refresh([other.ledger.account(applied)])
        assert not isinstance(await attempt(other, applied), tuple), "both slots are in use"
        for one in held:
            leases.ledger.settle(one, {})
        await leases.refresh([leases.ledger.account(applied)])
        assert leases.ledger.account(applied).spent == 0


async def test_lapsed_replica_that_was_settled_by_its_rows_gets_nothing_back(
    database_url: str, make_limit: MakeLimit, connection: asyncpg.Connection
) -> None:
    applied = await make_limit("total_tokens", 1_000, "total")
    name = uuid4()
    async with replica(database_url) as (other, _), replica(database_url, report_s=60, name=name) as (leases, _):
        held = await attempt(leases, applied, 40)
        assert isinstance(held, tuple)
        await lapse(connection, name, other, applied)
        await connection.execute("SELECT ledger.settle_at(1, $1)", name)
        assert await seen_by(other, applied) == (0, 0)
        await leases.refresh([leases.ledger.account(applied)])
        assert await seen_by(other, applied) == (0, 0)
    assert await connection.fetchval("SELECT count(*) FROM ledger.lapses") == 0


async def test_replica_whose_row_was_removed_while_it_was_away_tells_its_clock_again(
    database_url: str, connection: asyncpg.Connection
) -> None:
    """An hour after the last report of it a row is removed that holds nothing, and with it how wrong the clock is."""
    name, ahead_ms = uuid4(), 7_200_000
    store = PostgresStore(
        database_url, name, ttl_ms=TTL_MS, journal=lambda: None, wall_ms=lambda: time.time_ns() // 1_000_000 + ahead_ms
    )
    await store.sync(Batch(1, 0, ()))
    store.drop()
    await connection.execute("DELETE FROM ledger.replicas WHERE id = $1", name)
    await store.sync(Batch(2, 0, ()))
    store.drop()
    early = await connection.fetchval("SELECT clock_early FROM ledger.replicas WHERE id = $1", name)
    assert early == pytest.approx(ahead_ms, abs=60_000)
