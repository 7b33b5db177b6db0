"""`aqueduct token`: the tokens with which clients call the gateway."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import click
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aqueduct.cli import token_rows
from aqueduct.cli.arguments import Expires, Expiry, Length, Owner
from aqueduct.cli.database import with_database
from aqueduct.cli.output import json_option, moment, print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.cli.token_rows import IssuedToken, Predecessor, TokenRow

ResultT = TypeVar("ResultT")
_MAX_NAME: Final = 100


@click.group()
def token() -> None:
    """Create, list, rotate and revoke tokens.

    A token is shown once, when it is created; the database keeps its hash. TOKEN is a token's id or how the token
    itself begins, at least 8 characters of either, or its name where only one usable token has it.
    """


@token.command()
@click.option("--owner", type=Owner(), required=True, help="user:EMAIL, team:ORG/TEAM or service:[ORG/TEAM/]NAME.")
@click.option("--name", required=True, help="Tells people which token it is.")
@click.option(
    "--expires", type=Expiry(), default="never", show_default=True, help="When it ends, such as 90d or 2030-12-31."
)
@click.option(
    "--allow",
    metavar="MODEL",
    multiple=True,
    help="A model or vendor/* that it may use; without any: all its owner may.",
)
@json_option
def create(*, owner: str, name: str, expires: Expires, allow: tuple[str, ...], as_json: bool) -> None:
    """Create a token and print it, once. Only the token goes to standard output."""
    _check_name(name)
    until = None if expires == "never" else expires

    async def work(connection: AsyncConnection) -> IssuedToken:
        issued = await token_rows.create(connection, owner, name, until)
        await token_rows.allow(connection, issued.id, allow)
        return issued

    _print_issued(_in_transaction(work), as_json)


@token.command("list")
@click.option("--owner", type=Owner(), help="Only tokens of this owner.")
@click.option(
    "--all", "with_retired", is_flag=True, help="Also tokens that were revoked, or replaced and are past their grace."
)
@json_option
def list_tokens(*, owner: str | None, with_retired: bool, as_json: bool) -> None:
    """List tokens: owner, state, last use; never the token or its hash.

    A token that was replaced is listed until its grace ends. Its use is that by requests to models.
    """

    async def read(connection: AsyncConnection) -> tuple[TokenRow, ...]:
        wanted = None if owner is None else (await token_rows.find_owner(connection, owner))[0]
        return tuple(
            row
            for row in await token_rows.rows(connection)
            if wanted in {None, row.owner} and (with_retired or row.works or row.state == "expired")
        )

    found = _in_transaction(read)
    if as_json:
        print_json(found)
        return
    columns = ("id", "name", "owner", "begins with", "state", "created", "expires", "last used")
    print_table(columns, [_cells(row) for row in found])


@token.command()
@click.argument("reference", metavar="TOKEN")
@click.option("--grace", type=Length(), default="24h", show_default=True, help="How long the old token still works.")
@click.option(
    "--expires", type=Expiry(), help="When the new token ends, or `never`. [default: it lives as long as the old one]"
)
@json_option
def rotate(*, reference: str, grace: timedelta, expires: Expires | None, as_json: bool) -> None:
    """Create a successor of TOKEN with its owner and grants, and print it, once.

    TOKEN itself works until its grace ends; where it has leaked, say `--grace 0`.
    """

    async def work(connection: AsyncConnection) -> IssuedToken:
        old = await token_rows.find(connection, reference, replaced=False)
        if old.state in {"revoked", "replaced"}:
            raise click.ClickException(f"The token '{token_rows.shown(reference)}' is {old.state} already.")
        return await token_rows.rotate(connection, old, grace, _successor_expiry(old, expires))

    _print_issued(_in_transaction(work), as_json)


class RevokedToken(Struct, frozen=True):
    """What `token revoke --json` prints."""

    id: str
    name: str
    owner: str


@token.command()
@click.argument("reference", metavar="TOKEN")
@json_option
def revoke(*, reference: str, as_json: bool) -> None:
    """Refuse TOKEN from now on, on every replica within a second."""

    async def work(connection: AsyncConnection) -> TokenRow:
        row = await token_rows.find(connection, reference, replaced=True)
        await token_rows.revoke(connection, row.id)
        return row

    row = _in_transaction(work)
    if as_json:
        print_json(RevokedToken(str(row.id), row.name, row.owner))
    elif row.state == "revoked":
        click.echo(f"The token '{row.name}' of {row.owner} was revoked before.")
    else:
        click.echo(f"Revoked the token '{row.name}' of {row.owner}.")


def _in_transaction(work: Callable[[AsyncConnection], Awaitable[ResultT]]) -> ResultT:
    async def run(engine: AsyncEngine) -> ResultT:
        async with engine.begin() as connection:
            return await work(connection)

    return with_database(open_session(), run)


def _successor_expiry(old: TokenRow, expires: Expires | None) -> datetime | None:
    if expires == "never":
        return None
    if expires is not None or old.expires_at is None:
        return expires
    return datetime.now(UTC).replace(microsecond=0) + (old.expires_at - old.created_at)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable() or "/" in name:
        raise click.BadParameter(f"1 to {_MAX_NAME} characters without '/' and control characters", param_hint="--name")


def _print_issued(issued: IssuedToken, as_json: bool) -> None:  # noqa: FBT001 - a private function
    if as_json:
        print_json(issued)
        return
    until = moment(issued.expires_at, "never")
    click.echo(f"Token '{issued.name}' of {issued.owner}, expires {until}, id {issued.id}.", err=True)
    if issued.replaces:
        click.echo(_of_old(issued.replaces), err=True)
    click.echo("This is the only time that it is shown:", err=True)
    click.echo(issued.token)


def _of_old(old: Predecessor) -> str:
    if old.works_until <= datetime.now(UTC):
        return "The old one is refused from now on, on every replica within a second."
    end = moment(old.works_until, "")
    return f"The old one works until {end} (UTC); `aqueduct token revoke {old.id}` ends it at once."


def _cells(row: TokenRow) -> tuple[str, ...]:
    return (
        str(row.id),
        row.name,
        row.owner,
        row.prefix,
        row.state,
        moment(row.created_at, ""),
        moment(row.expires_at, "never"),
        moment(row.last_used_at, "never"),
    )
