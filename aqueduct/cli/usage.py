"""`aqueduct usage`: what was used and what it cost, by day, owner and model."""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final

import click
from typing_extensions import override

from aqueduct.cli.output import print_json, print_table
from aqueduct.cli.session import open_session, with_connection
from aqueduct.db.engine import DedicatedConnection
from aqueduct.db.usage_tables import ROLLUP_SUMS
from aqueduct.usage.reports import DIMENSIONS, Dimension, ReportQuery, ReportRow, report

_SHOWN: Final = ("requests", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "cost")
_NAMED: Final[Mapping[str, Dimension]] = {name.replace("_", "-"): name for name in DIMENSIONS}
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
        if isinstance(value, tuple):
            return value
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
@click.option("--org", help="Only the organisation with this slug.")
@click.option("--team", help="Only this team, as ORG/TEAM.")
@click.option("--user", help="Only the user with this e-mail address.")
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
    form: str,
) -> None:
    """Print sums of requests, tokens and cost. What was deleted meanwhile is shown by its id."""
    last = last or datetime.now(UTC).date()
    first = first or last.replace(day=1)
    if first > last:
        raise click.UsageError("--from is after --to.")
    dimensions: tuple[Dimension, ...] = tuple(dict.fromkeys(chain.from_iterable(by))) or ("org", "model")
    owners = {"org": org, "team": team, "user": user}

    async def work(connection: DedicatedConnection) -> list[ReportRow]:
        ids = {
            f"{kind}_id": await connection.fetchval(_OWNERS[kind], name)
            for kind, name in owners.items()
            if name is not None
        }
        for kind, name in owners.items():
            if name is not None and ids[f"{kind}_id"] is None:
                raise click.ClickException(f"There is no {kind} '{name}'.")
        return await report(connection, ReportQuery(first=first, last=last, by=dimensions, **ids))

    _print(with_connection(open_session(), work), dimensions, form)


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
