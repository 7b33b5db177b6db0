"""`aqueduct usage`: what was used and what it cost, by day, owner and model."""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from typing import Final
from uuid import UUID

import click
from typing_extensions import override

from aqueduct.cli.database import with_connection
from aqueduct.cli.output import print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import ROLLUP_SUMS
from aqueduct.usage.ranking import read_report
from aqueduct.usage.reports import DIMENSIONS, MAX_DAYS, Dimension, ReportQuery, ReportRow, decimal_text

MAX_TOP: Final = 10_000
_SHOWN: Final = ("requests", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "cost")
_NAMED: Final[Mapping[str, Dimension]] = {name.replace("_", "-"): name for name in DIMENSIONS}
SHOWN_ROWS: Final = 100
MAX_ROWS: Final = 100_000
"""How many groups a report prints at most: where there are more, it says so."""
_OWNERS: Final = {
    "org": "SELECT id FROM orgs WHERE slug = $1",
    "team": "SELECT t.id FROM teams t JOIN orgs o ON o.id = t.org_id WHERE o.slug || '/' || t.name = $1",
    "user": "SELECT id FROM users WHERE email = lower($1)",
}


class Day(click.ParamType[date]):
    """A date such as 2026-01-31."""

    name = "date"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the date."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-01-31", param, ctx)


class Dimensions(click.ParamType[tuple[Dimension, ...]]):
    """Dimensions of reports, separated by commas; `-` and `_` are the same, and so are upper and lower case."""

    name = "dimensions"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Dimension, ...]:
        """Return them in their order."""
        found: list[Dimension] = []
        for name in str(value).split(","):
            known = _NAMED.get(name.strip().lower().replace("_", "-"))
            if known is None:
                self.fail(f"{name.strip()!r} is not one of {', '.join(_NAMED)}", param, ctx)
            found.append(known)
        return tuple(found)


@click.group()
def usage() -> None:
    """Report what was used and what it cost."""


@usage.command("report")
@click.option("--from", "first", type=Day(), help="First day, in UTC. Default: the first of this month.")
@click.option("--to", "last", type=Day(), help="Last day, in UTC. Default: today.")
@click.option(
    "--by",
    "by",
    multiple=True,
    type=Dimensions(),
    metavar="DIMENSION[,...]",
    help=f"What to add up by, of {', '.join(_NAMED)}; may be given several times. Default: org,model.",
)
@click.option("--org", help="Only the organisation with this slug, or id.")
@click.option("--team", help="Only this team, as ORG/TEAM, or by its id.")
@click.option("--user", help="Only the user with this e-mail address, or id.")
@click.option(
    "--top",
    type=click.IntRange(0, MAX_TOP),
    metavar="NUMBER",
    help="Only so many rows, those of the highest cost, the highest first; 0: all, by name. Default: all, but where a"
    f" table would have more than {SHOWN_ROWS}, the first {SHOWN_ROWS}.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "csv", "json")),
    default="table",
    show_default=True,
    help="A table for people, all columns as CSV, or JSON.",
)
def report_usage(  # noqa: PLR0913 - the options of one command
    *,
    first: date | None,
    last: date | None,
    by: tuple[tuple[Dimension, ...], ...],
    org: str | None,
    team: str | None,
    user: str | None,
    top: int | None,
    form: str,
) -> None:
    """Print sums of requests, tokens and cost. What was deleted meanwhile is shown by its id, and asked for by it."""
    last = last or datetime.now(UTC).date()
    first = first or last.replace(day=1)
    if first > last:
        raise click.UsageError("--from is after --to.")
    if (last - first).days > MAX_DAYS:
        raise click.UsageError(f"--from is more than {MAX_DAYS} days before --to.")
    dimensions = _each_once(by) or ("org", "model")
    shortened = top is None and form == "table" and dimensions != ("day",)
    limit = SHOWN_ROWS + 1 if shortened else top or None
    owners = {"org": org, "team": team, "user": user}

    async def work(connection: DedicatedConnection) -> list[ReportRow]:
        ids = {
            f"{kind}_id": await connection.fetchval(_OWNERS[kind], name) or _id(name)
            for kind, name in owners.items()
            if name is not None
        }
        for kind, name in owners.items():
            if name is not None and ids[f"{kind}_id"] is None:
                raise click.ClickException(f"There is no {kind} '{name}'.")
        query = ReportQuery(first=first, last=last, by=dimensions, top=limit, max_rows=MAX_ROWS + 1, **ids)
        return await read_report(connection, query)

    session = open_session()
    rows = with_connection(session, work)
    _print(_shortened(rows, dimensions) if shortened else _cut(rows), dimensions, form)
    if form == "table":
        _sum_up(rows, first, last, session.settings.currency, whole=limit is None or len(rows) < limit)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _sum_up(rows: list[ReportRow], first: date, last: date, currency: str, *, whole: bool) -> None:
    """Tell for people what the days and the costs of a table are, and what has none."""
    total = decimal_text(sum((Decimal(row.cost) for row in rows), Decimal()))
    what = "in all" if whole else "in these rows"
    click.echo(f"{first} to {last} (UTC): {total} {currency} {what}.")
    unpriced = sum(row.unpriced for row in rows)
    if unpriced:
        click.echo(f"Requests for which there was no price, and which count as 0: {unpriced}.")


def _each_once(lists: tuple[tuple[Dimension, ...], ...]) -> tuple[Dimension, ...]:
    found: list[Dimension] = []
    for name in chain.from_iterable(lists):
        if name not in found:
            found.append(name)
    return tuple(found)


def _cut(rows: list[ReportRow]) -> list[ReportRow]:
    """Return as many rows as a report may have, and tell where that is not all of them."""
    if len(rows) > MAX_ROWS:
        message = f"Only the first {MAX_ROWS} rows, by name: ask for fewer days or dimensions, one owner, or --top."
        click.echo(message, err=True)
    return rows[:MAX_ROWS]


def _shortened(rows: list[ReportRow], by: tuple[Dimension, ...]) -> list[ReportRow]:
    """Return rows by name, or the most expensive where they are too many for a table; those of nothing come last."""
    if len(rows) > SHOWN_ROWS:
        click.echo(f"The {SHOWN_ROWS} rows of the highest cost; --top 0 shows all.", err=True)
        return rows[:SHOWN_ROWS]

    def place(row: ReportRow) -> tuple[tuple[bool, str], ...]:
        names: list[str | None] = [getattr(row, name) for name in by]
        return tuple((name is None, name or "") for name in names)

    return sorted(rows, key=place)


def _print(rows: list[ReportRow], by: tuple[Dimension, ...], form: str) -> None:
    if form == "json":
        print_json(rows)
        return
    names = (*by, *ROLLUP_SUMS, "cost") if form == "csv" else (*by, *_SHOWN)
    cells = [tuple("" if (value := getattr(row, name)) is None else str(value) for name in names) for row in rows]
    if form == "csv":
        csv.writer(sys.stdout).writerows([names, *cells])
    else:
        print_table(names, cells)
