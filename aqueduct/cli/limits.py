"""`aqueduct limits`: sets right what is counted against limits."""

from typing import Final

import asyncpg
import click

from aqueduct.cli.database import with_connection
from aqueduct.cli.output import print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.db.connections import DedicatedConnection

_RECOUNT: Final = """
SELECT r.id AS replica, s.* FROM ledger.replicas r,
       LATERAL ledger.settle_at(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, r.id) s
 WHERE NOT r.settled AND r.started_at > 0 AND r.expires_at < floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
"""
_COLUMNS: Final = ("replica", "limit_id", "member_id", "booked", "used")


@click.group()
def limits() -> None:
    """Set right what is counted against limits."""


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
