"""`aqueduct prices`: what models cost, from a price list, and history priced again."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from aqueduct.catalog.build_prices import build_prices
from aqueduct.catalog.rows import read_rows
from aqueduct.cli.database import with_connection
from aqueduct.cli.output import json_option, print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.cli.usage import Day
from aqueduct.db.connections import DedicatedConnection
from aqueduct.usage.price_files import START, PriceFileError, read_prices
from aqueduct.usage.price_store import Imported, PriceChange, import_prices
from aqueduct.usage.reports import decimal_text
from aqueduct.usage.rerate import Rerated, rerate

_LIST: Final = """
SELECT coalesce(m.name, dm.name || ' at ' || p.name || ':' || d.upstream_model) AS subject,
       r.meter, r.tier, r.above_tokens, r.valid_from, r.amount, r.per
  FROM prices r LEFT JOIN models m ON m.id = r.model_id LEFT JOIN deployments d ON d.id = r.deployment_id
  LEFT JOIN models dm ON dm.id = d.model_id LEFT JOIN providers p ON p.id = d.provider_id
 ORDER BY subject, r.valid_from, r.tier, r.above_tokens, r.meter
"""
MAX_UNKNOWN_SHOWN: Final = 10


class ShownPrice(Struct, frozen=True, kw_only=True):
    """What `prices list --json` prints of a price."""

    subject: str
    meter: str
    tier: str
    above_tokens: int
    valid_from: datetime
    amount: str
    per: int


@click.group()
def prices() -> None:
    """Import and list prices, and price history again."""


@prices.command("list")
@json_option
def list_prices(*, as_json: bool) -> None:
    """List all prices, with the time from which on each is valid."""

    async def work(connection: DedicatedConnection) -> list[ShownPrice]:
        return [
            ShownPrice(
                subject=record["subject"],
                meter=record["meter"],
                tier=record["tier"],
                above_tokens=record["above_tokens"],
                valid_from=record["valid_from"],
                amount=decimal_text(record["amount"]),
                per=record["per"],
            )
            for record in await connection.fetch(_LIST)
        ]

    found = with_connection(open_session(), work)
    if as_json:
        print_json(found)
        return
    names = ("subject", "meter", "tier", "above_tokens", "valid_from", "amount", "per")
    print_table(names, [_cells(row) for row in found])


def _cells(row: ShownPrice) -> tuple[str, ...]:
    since = "always" if row.valid_from <= START else _since(row.valid_from)
    return (row.subject, row.meter, row.tier, str(row.above_tokens), since, row.amount, str(row.per))


@prices.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--valid-from", type=Day(), help="From when prices without a date of their own hold, in UTC. Default: always."
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
def import_file(*, file: Path, valid_from: date | None, dry_run: bool, as_json: bool) -> None:
    """Import the prices of models that exist here from FILE, all or none.

    FILE is JSON: a list of {"model", "meter", "amount", "per", "tier", "above_tokens", "valid_from"}, or the
    `model_prices` format that LiteLLM publishes. A name in it is that of a model here, or of an upstream model with
    or without its provider before a `/`; the one with the provider comes first. Prints what is added (+) and replaced
    (~): prices that are there already for the same time. Say --valid-from for new prices, so that past requests keep
    theirs.
    """
    since = START if valid_from is None else datetime.combine(valid_from, time(), UTC)
    try:
        listed = read_prices(file.read_text("utf-8"), since)
    except (PriceFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from error

    async def work(connection: DedicatedConnection) -> Imported:
        return await import_prices(connection, listed, dry_run=dry_run)

    done = with_connection(open_session(), work)
    if as_json:
        print_json(done)
        return
    for change in done.changes:
        click.echo(_line(change))
    verb = "Would be" if dry_run else "Done:"
    click.echo(f"{verb} {done.written} prices written, {done.unchanged} unchanged.")
    for note in done.notes:
        click.echo(f"! {note}", err=True)
    if len(done.unknown_models) > MAX_UNKNOWN_SHOWN:
        click.echo(f"{len(done.unknown_models)} names of the list stand for no model here.", err=True)
    elif done.unknown_models:
        click.echo(f"No model here: {', '.join(done.unknown_models)}.", err=True)


def _line(change: PriceChange) -> str:
    place = [change.subject, change.meter]
    if change.tier != "standard":
        place.append(change.tier)
    if change.above_tokens:
        place.append(f"above {change.above_tokens} tokens")
    if change.valid_from > START:
        place.append(f"from {_since(change.valid_from)}")
    amount = f"{change.amount} per {change.per}"
    if change.before is not None:
        return f"~ price {' '.join(place)} ({change.before} -> {amount}; listed as {change.listed})"
    return f"+ price {' '.join(place)} ({amount}; listed as {change.listed})"


def _since(when: datetime) -> str:
    """Return the time from which a price holds: a day, or a day and time, in UTC."""
    utc = when.astimezone(UTC)
    return utc.strftime("%Y-%m-%d" if utc.time() == time() else "%Y-%m-%d %H:%M:%S")


@prices.command("rerate")
@click.option("--from", "first", type=Day(), required=True, help="First day, in UTC.")
@click.option("--to", "last", type=Day(), help="Last day, in UTC. Default: today.")
@json_option
def rerate_history(*, first: date, last: date | None, as_json: bool) -> None:
    """Price the requests of past days again with the prices that are valid for their time.

    Rows, attempts and rollups change together, a day at a time. Months whose rows were dropped stay as they are, and so
    does what was served by deployments that are gone.
    """
    end = last or datetime.now(UTC).date()
    if first > end:
        raise click.UsageError("--from is after --to.")

    async def work(connection: DedicatedConnection) -> Rerated:
        rows = await read_rows(connection)
        lists, _ = build_prices(rows.prices, rows.deployments)
        every = {deployment: lists.get(deployment) for deployment in (str(row.id) for row in rows.deployments)}
        return await rerate(connection, every, first, end)

    done = with_connection(open_session(), work)
    if as_json:
        print_json(done)
    else:
        difference = decimal_text(done.difference)
        click.echo(f"Done: {done.changed} of {done.attempts} attempts have another cost, {difference} in all.")
