"""`aqueduct serve`: the gateway in production."""

import asyncio
import logging
import os
from contextlib import ExitStack
from socket import socket

import click
from typing_extensions import override

from aqueduct.cli.server import bound_socket, orderly_exit, run
from aqueduct.cli.session import Session, explained, open_session
from aqueduct.db.embedded import database_url
from aqueduct.db.revision import check_database
from aqueduct.observability.logging import configure_logging
from aqueduct.settings import describe, unknown_variables, variable

logger = logging.getLogger("aqueduct")


class WithSettings(click.Command):
    """A command whose help ends with the list of settings."""

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (setting.variable, setting.description + (f" [default: {setting.default}]" if setting.default else ""))
            for setting in describe()
        ]
        with formatter.section("Settings (environment variables, or a file .env in the current folder)"):
            formatter.write_dl(rows)


@click.command(cls=WithSettings)
def serve() -> None:
    """Serve the gateway until SIGTERM or Ctrl-C.

    The database must have this release's schema (`aqueduct migrate`). On SIGTERM it stops accepting, and open
    requests have AQUEDUCT_DRAIN_S seconds to end.
    """
    session = open_session()
    configure_logging(session.settings)
    for sentence in unknown_variables(session.environment):
        logger.warning("%s.", sentence)
    with orderly_exit(), bound_socket(session.settings) as listener, ExitStack() as stack:
        with explained():
            url = stack.enter_context(database_url(session.settings))
            asyncio.run(check_database(url))
        serve_on(listener, session, url)


def serve_on(listener: socket, session: Session, url: str) -> None:
    """Serve with the database at `url`; what `.env` holds becomes part of the environment, for worker processes."""
    os.environ.update({**session.environment, variable("database_url"): url})
    run(session.settings, listener)
