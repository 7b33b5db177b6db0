"""Carries out a plan in one transaction: all of it or nothing; must not print.

Only one `apply` works at a time (an advisory lock); a running gateway takes up the result by notification.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

from msgspec import Struct
from sqlalchemy import delete, func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aqueduct.auth.credentials import MAX_TOKEN_BYTES
from aqueduct.auth.tokens import token_from_text
from aqueduct.catalog.secrets import ENCRYPTED, SecretBox, SecretError
from aqueduct.config import document as doc
from aqueduct.config.flatten import wanted
from aqueduct.config.grants import NOUNS
from aqueduct.config.plan import Change, Plan, make_plan
from aqueduct.config.prices import valid_from
from aqueduct.config.problems import ConfigError
from aqueduct.config.records import FieldValue, Key, Kind, Record, grant_target, pairs, texts
from aqueduct.config.rules import expiry, items
from aqueduct.config.source import Source
from aqueduct.config.stored import Database, load
from aqueduct.db.base import Base
from aqueduct.db.models import (
    Deployment,
    Grant,
    Limit,
    McpServer,
    Membership,
    Model,
    Org,
    Price,
    Provider,
    ServiceAccount,
    Team,
    Token,
    User,
)

LOCK_KEY: Final = 0x61717561_7070
LOCK_TIMEOUT_S: Final = 30

Column = FieldValue | UUID | dict[str, str] | list[str] | object
Columns = dict[str, Column]


class Request(Struct, frozen=True, kw_only=True):
    """What `apply` needs: the checked file and the means to open what it names."""

    document: doc.Document
    source: Source
    secrets: SecretBox
    environment: Mapping[str, str]
    prune: bool = False
    dry_run: bool = False


async def apply(engine: AsyncEngine, request: Request) -> Plan:
    """Plan against the present state and, unless `dry_run`, make the changes; returns the plan.

    Raises `ConfigError` with lines where the file cannot be applied, SQLAlchemy's errors where the database fails.
    """
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        database = await load(connection)
        token_texts = TokenTexts(request)
        flat = wanted(request.document, token_texts.sha256, database.stored.tokens_by_name())
        secrets = StoredSecrets(database, request.secrets)
        plan = make_plan(request.source, flat, database.stored, secrets, prune=request.prune)
        if request.dry_run or plan.is_empty:
            await transaction.rollback()
            return plan
        writer = Writer(connection, database, secrets, token_texts)
        for change in plan.changes:
            await writer.write(change)
        await writer.default_teams(plan.changes)
    return plan


class TokenTexts:
    """Hashes of the declared tokens; those named by a variable are read from the environment, and never kept."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._paths = {id(token): f"tokens[{i}].token" for i, token in enumerate(items(request.document.tokens))}
        self.prefixes: dict[str, str] = {}

    def sha256(self, token: doc.Token) -> str:
        """Return the hash of a declared token; raises `ConfigError` where its variable holds none."""
        if token.token.startswith(doc.HASH_PREFIX):
            return token.token.removeprefix(doc.HASH_PREFIX)
        name = token.token.removeprefix(doc.ENV_PREFIX)
        value = self._request.environment.get(name, "")
        path = self._paths.get(id(token), "tokens")
        if not value:
            raise self._refusal(path, f"the environment variable {name} is not set")
        if (
            len(value) < 20
            or len(value) > MAX_TOKEN_BYTES
            or not value.isascii()
            or not value.isprintable()
            or " " in value
        ):
            raise self._refusal(
                path, f"the environment variable {name} holds no token: 20 to {MAX_TOKEN_BYTES} characters"
            )
        found = token_from_text(value)
        self.prefixes[found.sha256] = found.prefix
        return found.sha256

    def _refusal(self, path: str, reason: str) -> ConfigError:
        source = self._request.source
        return ConfigError(source.file, (source.problem(path, reason),))


class StoredSecrets:
    """The secrets as they are to be stored: a credential that did not change keeps the form that it has."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    def is_stored(self, owner: Key, slot: str, literal: str) -> bool:
        """Return whether the database holds this key; raises `SecretError` where no key could be stored at all."""
        row_id = self._database.ids.get(owner, UUID(int=0))
        self._box.encrypt("", row_id)
        stored = self._stored(owner, slot)
        if not stored.startswith(ENCRYPTED):
            return False
        try:
            return self._box.decrypt(stored, row_id) == literal
        except SecretError:  # of a lost key: the file's takes its place
            return False

    def to_store(self, record: Record, row_id: UUID) -> dict[str, str]:
        """Return what the database is to hold, by slot."""
        return {slot: self._form(record, slot, shown, row_id) for slot, shown in record.secrets.items()}

    def _form(self, record: Record, slot: str, shown: str, row_id: UUID) -> str:
        literal = record.literal_secrets.get(slot)
        if literal is None:
            return self._stored(record.key, slot) if shown == doc.STORED_SECRET else shown
        if self.is_stored(record.key, slot, literal):
            return self._stored(record.key, slot)
        return self._box.encrypt(literal, row_id)

    def _stored(self, owner: Key, slot: str) -> str:
        return self._database.secrets.get(owner, {}).get(slot, "")


class Writer:
    """Turns changes into statements; knows the ids of all rows, new ones too."""

    def __init__(
        self, connection: AsyncConnection, database: Database, secrets: StoredSecrets, token_texts: TokenTexts
    ) -> None:
        self._connection = connection
        self._ids = dict(database.ids)
        self._secrets = secrets
        self._token_texts = token_texts

    async def write(self, change: Change) -> None:
        """Carry out one change."""
        record = change.record
        table = _TABLES[record.kind]
        if change.action == "create":
            row_id = uuid4()
            self._ids[record.key] = row_id
            columns = self._columns(record, row_id)
            if record.kind == "token":
                columns.setdefault("prefix", "")
            await self._connection.execute(insert(table).values(id=row_id, **columns))
            return
        row_id = self._ids[record.key]
        if change.action == "change":
            columns = self._columns(record, row_id)
            await self._connection.execute(update(table).where(table.id == row_id).values(**columns))
        elif record.kind == "token":
            await self._connection.execute(
                update(Token).where(Token.id == row_id, Token.revoked_at.is_(None)).values(revoked_at=func.now())
            )
        else:
            if record.kind == "model":  # grants for it that a wildcard still covers go by its name from now on
                by_name = update(Grant).where(Grant.model_id == row_id)
                await self._connection.execute(by_name.values(model_id=None, model_pattern=record.name))
            await self._connection.execute(delete(table).where(table.id == row_id))

    async def default_teams(self, changes: tuple[Change, ...]) -> None:
        """Point organisations to their default teams, once the teams are there."""
        for change in changes:
            if change.record.kind == "org" and change.action != "delete":
                name = change.record.fields["default_team"]
                team_id = None if name is None else self._ids["team", f"{change.record.name}/{name}"]
                org_id = self._ids[change.record.key]
                await self._connection.execute(update(Org).where(Org.id == org_id).values(default_team_id=team_id))

    def _columns(self, record: Record, row_id: UUID) -> Columns:
        columns = _COLUMNS[record.kind](record, self._ids)
        if record.kind == "token" and record.name in self._token_texts.prefixes:
            columns["prefix"] = self._token_texts.prefixes[record.name]
        if record.kind == "provider":
            columns["secret"] = self._secrets.to_store(record, row_id).get("secret")
        elif record.kind == "MCP server":
            columns["headers"] = self._secrets.to_store(record, row_id)
        return columns


Ids = Mapping[Key, UUID]


def _org(record: Record, _: Ids) -> Columns:
    fields = record.fields
    terms = fields["terms"]
    return {"slug": record.name, "name": fields["name"], "enabled": fields["enabled"], "terms_version": terms}


def _team(record: Record, ids: Ids) -> Columns:
    org = record.parents[0]
    name = record.name.removeprefix(f"{org[1]}/")
    return {"org_id": ids[org], "name": name, **record.fields}


def _user(record: Record, ids: Ids) -> Columns:
    fields = record.fields
    return {
        "org_id": ids[record.parents[0]],
        "email": record.name,
        "display_name": fields["name"],
        "is_org_admin": fields["admin"],
        "enabled": fields["enabled"],
    }


def _service_account(record: Record, ids: Ids) -> Columns:
    team = record.parents[0]
    name = record.name.removeprefix(f"{team[1]}/")
    return {"team_id": ids[team], "name": name, "enabled": record.fields["enabled"]}


def _membership(record: Record, ids: Ids) -> Columns:
    user, team = record.parents
    return {"user_id": ids[user], "team_id": ids[team], "is_team_admin": record.fields["admin"]}


def _token(record: Record, ids: Ids) -> Columns:
    fields = record.fields
    owner = record.parents[0]
    expires = fields["expires"]
    owners = {kind: None if owner[0] != kind else ids[owner] for kind in ("user", "team", "service account")}
    return {
        "name": fields["name"],
        "sha256": record.name,
        "user_id": owners["user"],
        "team_id": owners["team"],
        "service_account_id": owners["service account"],
        "expires_at": None if expires is None else expiry(str(expires)),
    }


def _provider(record: Record, _: Ids) -> Columns:
    options, headers = record.fields["options"], record.fields["headers"]
    columns: Columns = {"name": record.name, **record.fields}
    return {**columns, "options": pairs(options), "headers": pairs(headers)}


def _model(record: Record, _: Ids) -> Columns:
    columns: Columns = {"name": record.name, **record.fields}
    return {
        **columns,
        "aliases": list(texts(record.fields["aliases"])),
        "operations": list(texts(record.fields["operations"])),
    }


def _deployment(record: Record, ids: Ids) -> Columns:
    fields = record.fields
    model, provider = record.parents
    return {
        "model_id": ids[model],
        "provider_id": ids[provider],
        "upstream_model": fields["upstream_model"],
        "priority": fields["priority"],
        "weight": fields["weight"],
        "connect_timeout_s": fields["connect_s"],
        "first_byte_timeout_s": fields["first_byte_s"],
        "idle_timeout_s": fields["idle_s"],
        "enabled": fields["enabled"],
    }


def _mcp_server(record: Record, _: Ids) -> Columns:
    return {"name": record.name, **record.fields}


def _grant(record: Record, ids: Ids) -> Columns:
    kind, name = grant_target(record)
    subject = record.parents[0]
    columns = {column: None if one != subject[0] else ids[subject] for one, column in _SUBJECT_COLUMNS.items()}
    row_id = None if name.endswith("*") else ids.get((NOUNS[kind], name))
    return {
        **columns,
        f"{kind}_id": row_id,
        f"{kind}_pattern": name if row_id is None else None,
        "effect": record.fields["effect"],
    }


def _limit(record: Record, ids: Ids) -> Columns:
    fields = record.fields
    name = fields["model"]
    subject = record.parents[0]
    columns = {column: None if kind != subject[0] else ids[subject] for kind, column in _SUBJECT_COLUMNS.items()}
    model_id = ids.get(("model", str(name)))
    return {
        **columns,
        "model_id": model_id,
        "model_pattern": name if model_id is None else None,
        "metric": fields["metric"],
        "period": fields["window"],
        "calendar": fields["calendar"],
        "amount": fields["amount"],
        "mode": fields["mode"],
        "per_member": fields["each"] == "member",
    }


def _price(record: Record, ids: Ids) -> Columns:
    subject = record.parents[0]
    fields = record.fields
    return {
        "model_id": ids[subject] if subject[0] == "model" else None,
        "deployment_id": ids[subject] if subject[0] == "deployment" else None,
        "meter": fields["meter"],
        "tier": fields["tier"],
        "above_tokens": fields["above_tokens"],
        "valid_from": valid_from(str(fields["valid_from"])),
        "amount": Decimal(str(fields["amount"])),
        "per": fields["per"],
    }


_SUBJECT_COLUMNS: Final[dict[Kind, str]] = {
    "org": "org_id",
    "team": "team_id",
    "user": "user_id",
    "service account": "service_account_id",
    "token": "token_id",
}
_TABLES: Final[dict[Kind, type[Base]]] = {
    "org": Org,
    "team": Team,
    "user": User,
    "service account": ServiceAccount,
    "membership": Membership,
    "token": Token,
    "provider": Provider,
    "model": Model,
    "deployment": Deployment,
    "MCP server": McpServer,
    "grant": Grant,
    "limit": Limit,
    "price": Price,
}
_COLUMNS: Final[dict[Kind, Callable[[Record, Ids], Columns]]] = {
    "org": _org,
    "team": _team,
    "user": _user,
    "service account": _service_account,
    "membership": _membership,
    "token": _token,
    "provider": _provider,
    "model": _model,
    "deployment": _deployment,
    "MCP server": _mcp_server,
    "grant": _grant,
    "limit": _limit,
    "price": _price,
}
