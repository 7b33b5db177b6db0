"""`aqueduct limits`: shows where limits stand, and sets right what is counted against them."""

from datetime import UTC, datetime
from typing import Final, cast

import asyncpg
import click
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.catalog.rows import read_rows
from aqueduct.cli import standings
from aqueduct.cli.arguments import Owner
from aqueduct.cli.database import with_connection, with_url
from aqueduct.cli.output import json_option, moment, print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.db.connections import DedicatedConnection
from aqueduct.limits.rules import Limit
from aqueduct.limits.telling import Standing, amount_of

_RECOUNT: Final = """
SELECT r.id AS replica, s.* FROM ledger.replicas r,
       LATERAL ledger.settle_at(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, r.id) s
 WHERE NOT r.settled AND r.started_at > 0 AND r.expires_at < floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
"""
_FORMS: Final = {"service_account": "service"}
"""What the file calls a scope, where it has another word."""
_COLUMNS: Final = ("replica", "limit_id", "member_id", "booked", "used")


@click.group()
def limits() -> None:
    """Show where limits stand, and set right what is counted against them."""


class LimitShown(Struct, frozen=True, kw_only=True):
    """What `limits list --json` prints of a limit; `cost` in millionths of the currency, times in Unix seconds.

    What is used of a limit that every member has for itself only `--of` tells.
    """

    subject: str
    metric: str
    window: str | None
    calendar: bool
    mode: str
    model: str | None
    per_member: bool
    limit: int
    used: int | None
    remaining: int | None
    resets_at: float | None


@limits.command("list")
@click.option(
    "--of", "owner", type=Owner(), help="Only what holds for user:EMAIL, team:ORG/TEAM or service:[ORG/TEAM/]NAME."
)
@json_option
def list_limits(*, owner: str | None, as_json: bool) -> None:
    """List limits with what is used of them and when they reset.

    What every member of a team or an organisation has for itself (`each`) has as many counters as members: `--of` tells
    that of one.
    """
    session = open_session()
    zone = session.settings.limits_time_zone

    async def work(engine: AsyncEngine, url: str) -> list[LimitShown]:
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            rows = await read_rows(cast("DedicatedConnection", raw))
        if owner is not None:
            applied = await standings.limits_of(engine, rows, zone, owner)
            return [_shown(one) for one in await standings.asked(url, applied)]
        counted, of_members = standings.all_limits(rows, zone)
        found = [_shown(one) for one in await standings.asked(url, counted)]
        return sorted([*found, *map(_of_members, of_members)], key=lambda one: one.subject)

    found = with_url(session, work)
    if as_json:
        print_json(found)
        return
    columns = ("subject", "limit", "per", "model", "mode", "used", "remaining", "resets (UTC)")
    print_table(columns, [_cells(one, session.settings.currency) for one in found])


def _shown(one: Standing) -> LimitShown:
    return LimitShown(
        subject=f"{_FORMS.get(one.scope, one.scope)}:{one.subject}",
        metric=one.metric,
        window=one.window,
        calendar=one.calendar,
        mode=one.mode,
        model=one.model,
        per_member=one.per_member,
        limit=one.limit,
        used=one.used,
        remaining=one.remaining,
        resets_at=one.resets_at,
    )


def _of_members(limit: Limit) -> LimitShown:
    return LimitShown(
        subject=f"{_FORMS.get(limit.scope, limit.scope)}:{limit.name}",
        metric=limit.metric,
        window=limit.window,
        calendar=limit.slots.calendar is not None,
        mode=limit.mode,
        model=limit.model,
        per_member=True,
        limit=limit.amount,
        used=None,
        remaining=None,
        resets_at=None,
    )


def _cells(one: LimitShown, currency: str) -> tuple[str, ...]:
    unit = currency if one.metric == "cost" else one.metric
    window = "" if one.window is None else f"calendar {one.window}" if one.calendar else one.window
    resets = None if one.resets_at is None else datetime.fromtimestamp(one.resets_at, UTC)
    return (
        one.subject + (", each member" if one.per_member else ""),
        f"{amount_of(one.metric, one.limit)} {unit}",
        window,
        one.model or "",
        one.mode,
        "" if one.used is None else amount_of(one.metric, one.used),
        "" if one.remaining is None else amount_of(one.metric, one.remaining),
        moment(resets if one.used else None, ""),
    )


@limits.command("recount")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recount(*, as_json: bool) -> None:
    """Give back what killed workers held of budgets and other windows that do not slide.

    Gateways do this by themselves when they replay a killed worker's journal. This command is for workers whose
    journal is lost: what they had reserved or held counts by the usage rows that are in the database. Running it again
    changes nothing.
    """
    rows = with_connection(open_session(), _recount)
    found = [{name: row[name] if name in {"booked", "used"} else str(row[name]) for name in _COLUMNS} for row in rows]
    if as_json:
        print_json(found)
    elif found:
        print_table(_COLUMNS, [tuple(str(one[name]) for name in _COLUMNS) for one in found])
    else:
        click.echo("Nothing to set right.")


async def _recount(connection: DedicatedConnection) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await connection.fetch(_RECOUNT)
    return found
