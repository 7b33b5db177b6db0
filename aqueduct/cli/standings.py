"""Where callers stand with their limits, asked as a gateway asks it: as one more replica, which takes no credit."""

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.catalog.build_limits import Limits
from aqueduct.catalog.build_principals import TokenOwners
from aqueduct.catalog.rows import Rows
from aqueduct.cli import token_rows
from aqueduct.limits.leases import Leases, local_ms
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.store import PostgresStore
from aqueduct.limits.telling import Standing, standing

TTL_MS: Final = 15_000
REPORT_S: Final = 0.2
_OWNERS: Final = {"user": "user_id", "team": "team_id", "service": "service_account_id"}


async def asked(url: str, applied: Sequence[Applied]) -> list[Standing]:
    """Return where limits stand; raises `click.ClickException` where that cannot be known."""
    ledger = Ledger(local_ms, ttl_ms=TTL_MS, report_ms=int(REPORT_S * 1000))
    leases = Leases(ledger, PostgresStore(url, uuid4(), ttl_ms=TTL_MS, journal=lambda: None), report_s=REPORT_S)
    await leases.start()
    try:
        accounts = [ledger.account(one) for one in applied]
        if accounts and not await leases.refresh(accounts):
            raise click.ClickException("The limits' counters cannot be read right now.")
        return [standing(account, ledger.now_ms) for account in accounts]
    finally:
        await leases.aclose()


def all_limits(rows: Rows, zone: str) -> tuple[list[Applied], list[Limit]]:
    """Return the limits that have one counter each, and those that every member has one of."""
    every = list(Limits(rows, zone).every())
    return [one for one in every if not one.limit.per_member], [one.limit for one in every if one.limit.per_member]


async def limits_of(engine: AsyncEngine, rows: Rows, zone: str, owner: str) -> list[Applied]:
    """Return the limits of an owner of tokens, beside those of its tokens; raises `click.ClickException`."""
    async with engine.connect() as connection:
        full_name, owner_id = await token_rows.find_owner(connection, owner)
    ids: dict[str, UUID] = {_OWNERS[full_name.partition(":")[0]]: owner_id}
    owners = TokenOwners(rows, {}, time.time(), zone)
    return list(owners.limits(**ids))
