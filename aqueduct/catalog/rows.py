"""The catalog's rows as the loader reads them: one consistent read of all tables; judges nothing."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from adapters.base import AutoCache, ExtraParams, MultipleAnswers
from aqueduct.catalog.snapshot import SchemaCheck
from aqueduct.db.connections import DedicatedConnection

CHUNK_ROWS = 1000
"""Rows taken at once, so that reading many tokens does not stall requests."""


class OrgRow(Struct, frozen=True, gc=False):
    """A row of `orgs`."""

    id: UUID
    slug: str
    default_team_id: UUID | None
    enabled: bool
    terms_version: str | None


class TeamRow(Struct, frozen=True, gc=False):
    """A row of `teams`."""

    id: UUID
    org_id: UUID
    name: str
    enabled: bool


class UserRow(Struct, frozen=True, gc=False):
    """A row of `users`."""

    id: UUID
    org_id: UUID
    email: str
    enabled: bool
    accepted_terms: str | None


class MembershipRow(Struct, frozen=True, gc=False):
    """A row of `memberships`."""

    team_id: UUID
    user_id: UUID


class ServiceAccountRow(Struct, frozen=True, gc=False):
    """A row of `service_accounts`."""

    id: UUID
    team_id: UUID
    name: str
    enabled: bool


class TokenRow(Struct, frozen=True, gc=False):
    """A row of `tokens`."""

    id: UUID
    user_id: UUID | None
    team_id: UUID | None
    service_account_id: UUID | None
    name: str
    sha256: str
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by_id: UUID | None
    grace_until: datetime | None


class ProviderRow(Struct, frozen=True):
    """A row of `providers`; `options` and `headers` are JSON."""

    id: UUID
    name: str
    adapter: str
    base_url: str
    secret: str | None
    quirks: str
    options: str
    headers: str
    enabled: bool


class ModelRow(Struct, frozen=True):
    """A row of `models`."""

    id: UUID
    name: str
    aliases: list[str]
    operations: list[str]
    context_window: int | None
    max_output_tokens: int | None
    request_weight: int
    extra_params: ExtraParams
    signature_vault: bool | None
    multiple_answers: MultipleAnswers
    schema_check: SchemaCheck | None
    auto_cache: AutoCache | None
    fetch_media: bool | None
    max_queries: int | None
    max_seconds: int | None
    owned_by: str | None
    enabled: bool
    created_at: datetime


class DeploymentRow(Struct, frozen=True):
    """A row of `deployments`."""

    id: UUID
    model_id: UUID
    provider_id: UUID
    upstream_model: str
    priority: int
    weight: int
    connect_timeout_s: float | None
    first_byte_timeout_s: float | None
    idle_timeout_s: float | None
    enabled: bool


class McpServerRow(Struct, frozen=True):
    """A row of `mcp_servers`; `headers` is JSON."""

    id: UUID
    name: str
    title: str | None
    description: str | None
    url: str
    headers: str
    enabled: bool


class GrantRow(Struct, frozen=True):
    """A row of `grants`."""

    id: UUID
    org_id: UUID | None
    team_id: UUID | None
    user_id: UUID | None
    service_account_id: UUID | None
    token_id: UUID | None
    model_id: UUID | None
    model_pattern: str | None
    mcp_server_id: UUID | None
    mcp_server_pattern: str | None
    effect: str


class PriceRow(Struct, frozen=True):
    """A row of `prices`."""

    id: UUID
    model_id: UUID | None
    deployment_id: UUID | None
    meter: str
    tier: str
    above_tokens: int
    valid_from: datetime
    amount: Decimal
    per: int


class LimitRow(Struct, frozen=True, gc=False):
    """A row of `limits`."""

    id: UUID
    org_id: UUID | None
    team_id: UUID | None
    user_id: UUID | None
    service_account_id: UUID | None
    token_id: UUID | None
    model_id: UUID | None
    model_pattern: str | None
    metric: str
    period: str | None
    calendar: bool
    amount: int
    mode: str
    per_member: bool


class Rows(Struct, frozen=True, kw_only=True):
    """Everything, as one transaction saw it."""

    version: int
    orgs: list[OrgRow]
    teams: list[TeamRow]
    users: list[UserRow]
    memberships: list[MembershipRow]
    service_accounts: list[ServiceAccountRow]
    tokens: list[TokenRow]
    providers: list[ProviderRow]
    models: list[ModelRow]
    deployments: list[DeploymentRow]
    mcp_servers: list[McpServerRow]
    grants: list[GrantRow]
    prices: list[PriceRow]
    limits: list[LimitRow]


async def read_version(connection: DedicatedConnection) -> int:
    """Return the catalog's version; raises `LookupError` where its row is gone."""
    version: int | None = await connection.fetchval("SELECT version FROM catalog_version")
    if version is None:
        raise LookupError("the table catalog_version has no row")
    return version


class Known(Struct, frozen=True, kw_only=True):
    """Rows of the last load by id, tokens by SHA-256. One that has not changed is taken from here and not held twice.

    So the snapshot that goes shares nearly all with the one that comes, and letting go of it takes no time.
    """

    orgs: Mapping[UUID, OrgRow] = msgspec.field(default_factory=dict[UUID, OrgRow])
    teams: Mapping[UUID, TeamRow] = msgspec.field(default_factory=dict[UUID, TeamRow])
    users: Mapping[UUID, UserRow] = msgspec.field(default_factory=dict[UUID, UserRow])
    service_accounts: Mapping[UUID, ServiceAccountRow] = msgspec.field(default_factory=dict[UUID, ServiceAccountRow])
    tokens: Mapping[str, TokenRow] = msgspec.field(default_factory=dict[str, TokenRow])


NOTHING_KNOWN: Final = Known()


async def read_rows(connection: DedicatedConnection, known: Known = NOTHING_KNOWN) -> Rows:
    """Read all tables as one transaction sees them."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return Rows(
            version=await read_version(connection),
            orgs=await _all(connection, OrgRow, "orgs", known.orgs),
            teams=await _all(connection, TeamRow, "teams", known.teams),
            users=await _all(connection, UserRow, "users", known.users),
            memberships=await _all(connection, MembershipRow, "memberships"),
            service_accounts=await _all(connection, ServiceAccountRow, "service_accounts", known.service_accounts),
            tokens=await _all(connection, TokenRow, "tokens", known.tokens, "sha256"),
            providers=await _all(connection, ProviderRow, "providers"),
            models=await _all(connection, ModelRow, "models"),
            deployments=await _all(connection, DeploymentRow, "deployments"),
            mcp_servers=await _all(connection, McpServerRow, "mcp_servers"),
            grants=await _all(connection, GrantRow, "grants"),
            prices=await _all(connection, PriceRow, "prices"),
            limits=await _all(connection, LimitRow, "limits"),
        )


RowT = TypeVar("RowT", bound=Struct)
KeyT = TypeVar("KeyT")


async def _all(
    connection: DedicatedConnection,
    row: type[RowT],
    table: str,
    known: Mapping[KeyT, RowT] | None = None,
    key: str = "id",
) -> list[RowT]:
    """Return a table's rows, oldest first, so that conflicts are decided the same way on every replica."""
    columns = ", ".join(row.__struct_fields__)
    cursor = await connection.cursor(f"SELECT {columns} FROM {table} ORDER BY created_at, id")  # noqa: S608 - constants
    rows: list[RowT] = []
    while records := await cursor.fetch(CHUNK_ROWS):
        found = [row(*record) for record in records]
        if known:
            olds = [known.get(record[key]) for record in records]
            found = [new if old is None or old != new else old for old, new in zip(olds, found, strict=True)]
        rows += found
        await asyncio.sleep(0)  # a chunk that the server has sent already is there without waiting
    return rows
