"""`aqueduct export`: the database as a configuration file."""

from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli.database import with_database
from aqueduct.cli.session import open_session
from aqueduct.config.export import to_document, to_yaml
from aqueduct.config.stored import load


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, not to standard output.",
)
def export(*, output: Path | None) -> None:
    """Print the configuration as YAML that `aqueduct apply` accepts.

    It holds no secret: tokens are named by their hash, providers' keys by their variable, and keys that are encrypted
    in the database by a placeholder that `apply` leaves alone. Revoked and replaced tokens are left out.
    """
    text = with_database(open_session(), _read)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        file = output.open("w", encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from error
    try:
        with file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"{output} is not written: {error.strerror}") from error


async def _read(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        database = await load(connection)
    return to_yaml(to_document(database.stored))
