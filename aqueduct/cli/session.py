"""What a command works with: the settings and a database that answers; turns what can go wrong into one sentence."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import IO, TypeVar, cast

import asyncpg
import click
from msgspec import Struct
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from aqueduct.catalog.secrets import SecretBox, SecretError
from aqueduct.config.problems import ConfigError
from aqueduct.db.cluster import ClusterError
from aqueduct.db.embedded import database_url
from aqueduct.db.engine import DedicatedConnection, create_engine
from aqueduct.db.migrate import SchemaMismatchError, check_revision
from aqueduct.settings import Settings, SettingsError, load_settings, read_environment

ResultT = TypeVar("ResultT")


class Session(Struct, frozen=True, kw_only=True):
    """Settings, and the environment with the file `.env` that they came from."""

    settings: Settings
    environment: dict[str, str]

    def secrets(self) -> SecretBox:
        """Return what opens the stored secrets; raises `SecretError` for a key of the wrong form."""
        return SecretBox(self.settings.secret_key, self.settings.previous_secret_keys)


class Refused(click.ClickException):
    """A refusal whose text is complete, such as one that begins with `file:line:`."""

    @override
    def show(self, file: IO[str] | None = None) -> None:
        """Print the text as it is."""
        del file
        click.echo(self.message, err=True)


def open_session() -> Session:
    """Read the settings; raises `click.ClickException`."""
    with explained():
        environment = read_environment(os.environ)
        return Session(settings=load_settings(environment), environment=environment)


def with_database(session: Session, work: Callable[[AsyncEngine], Awaitable[ResultT]]) -> ResultT:
    """Run `work` on the configured or embedded database, whose schema must be this release's."""

    async def run(url: str) -> ResultT:
        engine = create_engine(url, pool_size=1, application_name="aqueduct cli")
        try:
            await check_revision(engine)
            return await work(engine)
        finally:
            await engine.dispose()

    with explained(), database_url(session.settings) as url:
        return asyncio.run(run(url))


def with_connection(session: Session, work: Callable[[DedicatedConnection], Awaitable[ResultT]]) -> ResultT:
    """Run `work` like `with_database`, on one connection of the driver itself."""

    async def run(engine: AsyncEngine) -> ResultT:
        async with engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            return await work(cast("DedicatedConnection", raw))

    return with_database(session, run)


@contextmanager
def explained() -> Generator[None]:
    """Turn the errors that an operator can do something about into `click.ClickException`; others pass."""
    try:
        yield
    except ConfigError as error:
        raise Refused(f"{error}\nNothing was applied.") from error
    except (SettingsError, SecretError, ClusterError, SchemaMismatchError) as error:
        raise click.ClickException(_sentence(error)) from error
    except IntegrityError as error:
        raise click.ClickException(
            "The database changed in the meantime, or holds something that this conflicts with: "
            f"{_first_line(error.orig)}. Nothing was changed; try again."
        ) from error
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise click.ClickException(
            f"The database failed: {_first_line(getattr(error, 'orig', None) or error)}"
        ) from error
    except (ConnectionError, TimeoutError, OSError) as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise click.ClickException(
            f"The database cannot be reached ({reason}). Is AQUEDUCT_DATABASE_URL right, and the server running?"
        ) from error


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _first_line(error: object) -> str:
    text = str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0].rpartition(">: ")[2]
