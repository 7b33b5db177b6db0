"""Tokens in the database: create, find, rotate, revoke; must not print. A token's text is not kept."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import click
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.auth.tokens import SHOWN_CHARS, NewToken, hash_token, new_token
from aqueduct.db.models import Grant, Limit, Model, Org, ServiceAccount, Team, Token, User

State = Literal["active", "expired", "replaced", "revoked"]
MIN_ID_CHARS: Final = 8
UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PATTERN: Final = re.compile(r"[^*]{0,255}[*]")
_OF_ONE_ROW: Final = frozenset({"id", "created_at", "token_id"})
_OWNER_COLUMNS: Final = {"user": "user_id", "team": "team_id", "service": "service_account_id"}


class TokenRow(Struct, frozen=True, kw_only=True):
    """A token as people may see it: neither its text nor its hash. `prefix` is how it begins.

    `works` where it is taken: a replaced token is until its grace ends, which is then its `expires_at`.
    """

    id: UUID
    name: str
    owner: str
    prefix: str
    state: State
    works: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class Predecessor(Struct, frozen=True, kw_only=True):
    """The token that a new one replaces, and until when it still works."""

    id: UUID
    works_until: datetime


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A token at the only moment when its text is known."""

    id: UUID
    token: str
    name: str
    owner: str
    expires_at: datetime | None
    replaces: Predecessor | UnsetType = UNSET


async def create(connection: AsyncConnection, owner: str, name: str, expires_at: datetime | None) -> IssuedToken:
    """Make a token for `user:EMAIL`, `team:ORG/TEAM` or `service:[ORG/TEAM/]NAME`."""
    full_owner, owner_id = await find_owner(connection, owner)
    made = new_token()
    token_id = await _insert(connection, made, (full_owner, owner_id), name, expires_at)
    return IssuedToken(id=token_id, token=made.text, name=name, owner=full_owner, expires_at=expires_at)


async def allow(connection: AsyncConnection, token_id: UUID, models: Sequence[str]) -> None:
    """Let a new token use these models alone: names, or beginnings of names with a `*`."""
    known: dict[str, UUID] = {}
    wildcards: list[str] = []
    for row_id, name, aliases in await connection.execute(select(Model.id, Model.name, Model.aliases)):
        if name.endswith("*"):
            wildcards.append(name[:-1])
        else:
            known |= dict.fromkeys((name, *aliases), row_id)
    targets: dict[tuple[UUID | None, str | None], None] = {}
    for name in models:
        model_id = known.get(name)
        is_pattern = _PATTERN.fullmatch(name) is not None
        if model_id is None and not (is_pattern or any(map(name.startswith, wildcards))):
            raise click.ClickException(f"There is no model '{name[:60]}'. `aqueduct model list` shows them.")
        targets[model_id, None if model_id is not None else name] = None
    for model_id, pattern in targets:
        row = insert(Grant).values(token_id=token_id, model_id=model_id, model_pattern=pattern, effect="allow")
        await connection.execute(row)


async def rotate(
    connection: AsyncConnection, old: TokenRow, grace: timedelta, expires_at: datetime | None
) -> IssuedToken:
    """Make a successor with the owner, name, grants and limits of a token, which works for `grace` more, at most."""
    _, owner_id = await find_owner(connection, old.owner)
    made = new_token()
    token_id = await _insert(connection, made, (old.owner, owner_id), old.name, expires_at)
    for table in (Grant, Limit):
        columns = [column.name for column in table.__table__.columns if column.name not in _OF_ONE_ROW]
        rules = select(literal(token_id), *(getattr(table, name) for name in columns)).where(table.token_id == old.id)
        await connection.execute(insert(table).from_select(["token_id", *columns], rules))
    until = datetime.now(UTC) + grace
    await connection.execute(update(Token).where(Token.id == old.id).values(replaced_by_id=token_id, grace_until=until))
    return IssuedToken(
        id=token_id,
        token=made.text,
        name=old.name,
        owner=old.owner,
        expires_at=expires_at,
        replaces=Predecessor(id=old.id, works_until=_earlier(old.expires_at, until) or until),
    )


async def revoke(connection: AsyncConnection, token_id: UUID) -> None:
    """Refuse a token from now on; its row stays."""
    await connection.execute(
        update(Token).where(Token.id == token_id, Token.revoked_at.is_(None)).values(revoked_at=func.now())
    )


async def rows(connection: AsyncConnection) -> tuple[TokenRow, ...]:
    """Return all tokens, the newest last."""
    team_of = select(Team.id, (Org.slug + "/" + Team.name).label("name")).join(Org, Org.id == Team.org_id).subquery()
    account_team = team_of.alias()
    owner = func.coalesce(
        "user:" + User.email,
        "team:" + team_of.c.name,
        "service:" + account_team.c.name + "/" + ServiceAccount.name,
    )
    query = (
        select(
            Token.id,
            Token.name,
            owner,
            Token.prefix,
            Token.created_at,
            Token.expires_at,
            Token.last_used_at,
            Token.revoked_at,
            Token.replaced_by_id,
            Token.grace_until,
        )
        .outerjoin(User, User.id == Token.user_id)
        .outerjoin(team_of, team_of.c.id == Token.team_id)
        .outerjoin(ServiceAccount, ServiceAccount.id == Token.service_account_id)
        .outerjoin(account_team, account_team.c.id == ServiceAccount.team_id)
        .order_by(Token.created_at, Token.id)
    )
    now = datetime.now(UTC)
    found = await connection.execute(query)
    return tuple(
        TokenRow(
            id=row_id,
            name=name,
            owner=owner_name,
            prefix=prefix,
            state=(state := _state(now, revoked_at, replaced_by, expires_at)),
            works=state == "active" or (state == "replaced" and grace_until is not None and grace_until > now),
            created_at=created_at,
            expires_at=_earlier(expires_at, grace_until),
            last_used_at=last_used_at,
        )
        for (
            row_id,
            name,
            owner_name,
            prefix,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
            replaced_by,
            grace_until,
        ) in found
    )


async def find(connection: AsyncConnection, reference: str, *, replaced: bool) -> TokenRow:
    """Return the token meant by an id, the beginning of one, how it begins, itself, or a name that only one has.

    `replaced`: a name means those too that were replaced and still work.
    """
    every = await rows(connection)
    is_long = len(reference) >= MIN_ID_CHARS
    by_id = [row for row in every if is_long and str(row.id).startswith(reference.lower())]
    by_beginning = [row for row in every if is_long and row.prefix.startswith(reference)]
    by_name = [row for row in every if row.name == reference and _has_name(row, replaced=replaced)]
    found = by_id or by_beginning or await _by_text(connection, every, reference) or by_name
    if not found:
        raise click.ClickException(
            f"There is no token '{shown(reference)}'. `aqueduct token list` shows ids and names."
        )
    if len(found) > 1:
        several = "".join(f"\n  {row.id}  {row.owner}, {row.state}, begins with {row.prefix}" for row in found)
        raise click.ClickException(f"There are {len(found)} tokens '{reference}'; name one by its id.{several}")
    return found[0]


def shown(reference: str) -> str:
    """Return a reference as messages name it: what may be a token is cut where a list cuts it."""
    return reference if len(reference) < 3 * SHOWN_CHARS or UUID_TEXT.fullmatch(reference) else reference[:SHOWN_CHARS]


async def _by_text(connection: AsyncConnection, every: Sequence[TokenRow], text: str) -> list[TokenRow]:
    if not text.isascii():
        return []
    same = await connection.execute(select(Token.id).where(Token.sha256 == hash_token(text.encode("ascii"))))
    ids = set(same.scalars())
    return [row for row in every if row.id in ids]


def _has_name(row: TokenRow, *, replaced: bool) -> bool:
    return row.state in {"active", "expired"} or (replaced and row.works)


async def find_owner(connection: AsyncConnection, owner: str) -> tuple[str, UUID]:
    """Return the full name and the row id of an owner; a service account may be given by its name alone."""
    form, _, name = owner.partition(":")
    account = Org.slug + "/" + Team.name + "/" + ServiceAccount.name
    if form == "user":
        query = select(User.email, User.id).where(User.email == name.lower())
    elif form == "team":
        team = Org.slug + "/" + Team.name
        query = select(team, Team.id).join(Org, Org.id == Team.org_id).where(team == name)
    else:
        same = account == name if "/" in name else ServiceAccount.name == name
        query = (
            select(account, ServiceAccount.id)
            .join(Team, Team.id == ServiceAccount.team_id)
            .join(Org, Org.id == Team.org_id)
            .where(same)
        )
    found = (await connection.execute(query.limit(2))).all()
    if not found:
        raise click.ClickException(f"There is no {owner}. Create it with `aqueduct apply` first.")
    if len(found) > 1:
        raise click.ClickException(f"There are several {owner}; write service:ORG/TEAM/NAME.")
    full_name, owner_id = found[0]
    return f"{form}:{full_name}", owner_id


async def _insert(
    connection: AsyncConnection, made: NewToken, owner: tuple[str, UUID], name: str, expires_at: datetime | None
) -> UUID:
    full_owner, owner_id = owner
    statement = insert(Token).values(
        name=name,
        prefix=made.prefix,
        sha256=made.sha256,
        expires_at=expires_at,
        **{_OWNER_COLUMNS[full_owner.partition(":")[0]]: owner_id},
    )
    return (await connection.execute(statement.returning(Token.id))).scalar_one()


def _state(now: datetime, revoked_at: datetime | None, replaced_by: UUID | None, expires_at: datetime | None) -> State:
    if revoked_at is not None:
        return "revoked"
    if replaced_by is not None:
        return "replaced"
    return "expired" if expires_at is not None and expires_at <= now else "active"


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [when for when in (one, other) if when is not None]
    return min(known) if known else None
