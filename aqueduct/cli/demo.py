"""`aqueduct demo`: a gateway to try out, with everything that it needs; what `make run` starts."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli import token_rows
from aqueduct.cli.database import explained_sql
from aqueduct.cli.serve import serve_on
from aqueduct.cli.server import address, bound_socket, orderly_exit
from aqueduct.cli.session import Session, open_session
from aqueduct.cli.token_rows import IssuedToken
from aqueduct.config.apply import Request
from aqueduct.config.apply import apply as apply_file
from aqueduct.config.read import read_text
from aqueduct.db.embedded import embedded_postgres
from aqueduct.db.engine import create_engine
from aqueduct.db.migrate import upgrade
from aqueduct.db.models import Token
from aqueduct.observability.logging import configure_logging

OWNER: Final = "user:demo@example.org"
GRACE: Final = timedelta(hours=24)
CONTENT: Final = b"""\
orgs:
  - slug: demo
    name: Demo
    default_team: demo
    teams:
      - name: demo
    users:
      - email: demo@example.org
        name: Demo
        admin: true
memberships:
  - team: demo/demo
    user: demo@example.org
    admin: true
providers:
  - name: echo
    adapter: echo
models:
  - name: echo
    deployments:
      - provider: echo
"""


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on. [default: AQUEDUCT_PORT, 8080]")
def demo(*, port: int | None) -> None:
    """Serve a gateway to try out, on an embedded PostgreSQL and with the built-in model `echo`.

    Sets everything up in the data folder (.aqueduct), prints a new token and a call that works, and serves. The tokens
    of earlier runs go on working for 24 hours. AQUEDUCT_DATABASE_URL is not used: a demo token has no place in a
    database that others use.
    """
    session = open_session()
    configure_logging(session.settings)
    if port is not None:
        session = msgspec.structs.replace(session, settings=msgspec.structs.replace(session.settings, port=port))
    with orderly_exit(), bound_socket(session.settings) as listener, ExitStack() as stack:
        with explained_sql():
            url = stack.enter_context(embedded_postgres(Path(session.settings.data_dir)))
            issued = asyncio.run(_prepare(url, session))
        _greet(address(listener), issued.token)
        serve_on(listener, session, url)


async def _prepare(url: str, session: Session) -> IssuedToken:
    """Bring the database to what the demo needs and return a new token."""
    await upgrade(url)
    document, source = read_text("the demo's configuration", CONTENT)
    engine = create_engine(url, pool_size=1, application_name="aqueduct demo")
    try:
        request = Request(document=document, source=source, secrets=session.secrets(), environment=session.environment)
        await apply_file(engine, request)
        return await _new_token(engine)
    finally:
        await engine.dispose()


async def _new_token(engine: AsyncEngine) -> IssuedToken:
    """Issue a token in place of the earlier ones, which end after `GRACE`; forget those that have ended."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        issued = await token_rows.create(connection, OWNER, "demo", None)
        _, user_id = await token_rows.find_owner(connection, OWNER)
        demo_tokens = select(Token.id).where(Token.user_id == user_id, Token.name == "demo", Token.id != issued.id)
        await connection.execute(delete(Token).where(Token.id.in_(demo_tokens), Token.grace_until < now))
        await connection.execute(
            update(Token)
            .where(Token.id.in_(demo_tokens), Token.replaced_by_id.is_(None))
            .values(replaced_by_id=issued.id, grace_until=now + GRACE)
        )
    return issued


def _greet(url: str, token: str) -> None:
    body = '{"model": "echo", "messages": [{"role": "user", "content": "Hello, Aqueduct"}]}'
    click.echo("This token is shown once. Paste both lines into a second terminal:\n")
    click.echo(f"AQUEDUCT_TOKEN={token}")
    click.echo(
        f"curl {url}/v1/chat/completions "
        '-H "Authorization: Bearer $AQUEDUCT_TOKEN" -H "Content-Type: application/json" '
        f"-d '{body}'\n"
    )
