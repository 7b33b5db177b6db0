"""`aqueduct migrate`: the database's schema."""

import asyncio

import click

from aqueduct.cli.database import explained_sql
from aqueduct.cli.session import open_session
from aqueduct.db.embedded import database_url
from aqueduct.db.engine import create_engine
from aqueduct.db.migrate import check_revision, upgrade


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 unless the schema is this release's.")
def migrate(*, check: bool) -> None:
    """Bring the database to this release's schema.

    Safe to run at any time and from several machines at once: it works in one transaction and waits for others.
    """
    session = open_session()
    with explained_sql(), database_url(session.settings) as url:
        if check:
            asyncio.run(_check(url))
            click.echo("The database has this release's schema.")
        else:
            revision = asyncio.run(upgrade(url))
            click.echo(f"The database is at schema revision {revision}.")


async def _check(url: str) -> None:
    engine = create_engine(url, pool_size=1, application_name="aqueduct migrate")
    try:
        await check_revision(engine)
    finally:
        await engine.dispose()
