"""What a command works with: the settings; turns what can go wrong into one sentence. Knows no SQLAlchemy."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO

import asyncpg
import click
from msgspec import Struct
from typing_extensions import override

from aqueduct.catalog.secrets import SecretBox, SecretError
from aqueduct.config.problems import ConfigError
from aqueduct.db.cluster import ClusterError
from aqueduct.db.revision import SchemaMismatchError
from aqueduct.settings import Settings, SettingsError, load_settings, read_environment


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


@contextmanager
def explained() -> Generator[None]:
    """Turn the errors that an operator can do something about into `click.ClickException`; others pass."""
    try:
        yield
    except ConfigError as error:
        raise Refused(f"{error}\nNothing was applied.") from error
    except (SettingsError, SecretError, ClusterError, SchemaMismatchError) as error:
        raise click.ClickException(_sentence(error)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise click.ClickException(f"The database failed: {first_line(error)}") from error
    except (ConnectionError, TimeoutError, OSError) as error:
        reason = error.strerror or str(error) or type(error).__name__
        if error.filename is not None:
            raise click.ClickException(f"{error.filename} cannot be used ({reason}).") from error
        raise click.ClickException(
            f"The database cannot be reached ({reason}). Is AQUEDUCT_DATABASE_URL right, and the server running?"
        ) from error


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def first_line(error: object) -> str:
    """Return what a driver's error says, without its class."""
    text = str(error).strip()
    return (text.splitlines() or [type(error).__name__])[0].rpartition(">: ")[2]
