"""The database that a command works on; turns what can go wrong there into one sentence."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar, cast

import click
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli.session import Session, explained, first_line
from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.embedded import database_url
from aqueduct.db.engine import create_engine
from aqueduct.db.migrate import check_revision

ResultT = TypeVar("ResultT")


def with_database(session: Session, work: Callable[[AsyncEngine], Awaitable[ResultT]]) -> ResultT:
    """Run `work` on the configured or embedded database, whose schema must be this release's."""
    return with_url(session, lambda engine, _: work(engine))


def with_url(session: Session, work: Callable[[AsyncEngine, str], Awaitable[ResultT]]) -> ResultT:
    """Run `work` like `with_database`, with the database's address too."""

    async def run(url: str) -> ResultT:
        engine = create_engine(url, pool_size=1, application_name="aqueduct cli")
        try:
            await check_revision(engine)
            return await work(engine, url)
        finally:
            await engine.dispose()

    with explained_sql(), database_url(session.settings) as url:
        return asyncio.run(run(url))


def with_connection(session: Session, work: Callable[[DedicatedConnection], Awaitable[ResultT]]) -> ResultT:
    """Run `work` like `with_database`, on one connection of the driver itself."""

    async def run(engine: AsyncEngine) -> ResultT:
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            return await work(cast("DedicatedConnection", raw))

    return with_database(session, run)


@contextmanager
def explained_sql() -> Generator[None]:
    """As `explained`, for work through SQLAlchemy."""
    with explained():
        try:
            yield
        except IntegrityError as error:
            raise click.ClickException(
                "The database changed in the meantime, or holds something that this conflicts with: "
                f"{first_line(error.orig)}. Nothing was changed; try again."
            ) from error
        except SQLAlchemyError as error:
            raise click.ClickException(
                f"The database failed: {first_line(getattr(error, 'orig', None) or error)}"
            ) from error
