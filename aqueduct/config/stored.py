"""Reads what the database holds as records; changes nothing, opens no secret."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.config.document import ENV_PREFIX, STORED_SECRET
from aqueduct.config.grants import TargetKind
from aqueduct.config.prices import deployment_name, plain
from aqueduct.config.records import FieldValue, Key, Record, Stored, grant_record, limit_name, price_record
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


class Database(Struct, frozen=True, kw_only=True):
    """The records with their row ids, and the secrets of each as they are stored (encrypted or `env:NAME`), by slot."""

    stored: Stored
    ids: dict[Key, UUID]
    secrets: dict[Key, dict[str, str]]


async def load(connection: AsyncConnection) -> Database:
    """Read everything that a file can describe, within the transaction of `connection`."""
    loader = _Loader(connection)
    await loader.orgs_and_teams()
    await loader.users()
    await loader.service_accounts()
    await loader.memberships()
    await loader.tokens()
    await loader.providers()
    await loader.models()
    await loader.deployments()
    await loader.mcp_servers()
    await loader.grants()
    await loader.limits()
    await loader.prices()
    stored = Stored(records=loader.records, retired=loader.retired)
    return Database(stored=stored, ids=loader.ids, secrets=loader.secrets)


class _Loader:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.records: dict[Key, Record] = {}
        self.ids: dict[Key, UUID] = {}
        self.secrets: dict[Key, dict[str, str]] = {}
        self.retired: dict[str, str] = {}
        self._keys: dict[UUID, Key] = {}

    def _add(self, row_id: UUID, record: Record) -> None:
        self.records[record.key] = record
        self.ids[record.key] = row_id
        self._keys[row_id] = record.key

    def _plain(self, row_id: UUID, key: Key, parents: tuple[Key, ...], fields: dict[str, FieldValue]) -> None:
        kind, name = key
        self._add(row_id, Record(kind=kind, name=name, label=name, parents=parents, fields=fields))

    async def orgs_and_teams(self) -> None:
        default = select(Team.id, Team.name).subquery()
        orgs = select(Org.id, Org.slug, Org.name, Org.enabled, Org.terms_version, default.c.name).outerjoin(
            default, default.c.id == Org.default_team_id
        )
        for row_id, slug, name, enabled, terms, team in await self._connection.execute(orgs):
            fields: dict[str, FieldValue] = {"name": name, "enabled": enabled, "default_team": team, "terms": terms}
            self._plain(row_id, ("org", slug), (), fields)
        teams = select(Team.id, Team.name, Team.cost_center, Team.enabled, Org.slug).join(Org, Org.id == Team.org_id)
        for row_id, name, cost_center, enabled, slug in await self._connection.execute(teams):
            of_team: dict[str, FieldValue] = {"cost_center": cost_center, "enabled": enabled}
            self._plain(row_id, ("team", f"{slug}/{name}"), (("org", slug),), of_team)

    async def users(self) -> None:
        query = select(User.id, User.email, User.display_name, User.is_org_admin, User.enabled, User.org_id)
        for row_id, email, name, admin, enabled, org_id in await self._connection.execute(query):
            fields: dict[str, FieldValue] = {"name": name, "admin": admin, "enabled": enabled}
            self._plain(row_id, ("user", email), (self._keys[org_id],), fields)

    async def service_accounts(self) -> None:
        query = select(ServiceAccount.id, ServiceAccount.name, ServiceAccount.enabled, ServiceAccount.team_id)
        for row_id, name, enabled, team_id in await self._connection.execute(query):
            team = self._keys[team_id]
            self._plain(row_id, ("service account", f"{team[1]}/{name}"), (team,), {"enabled": enabled})

    async def memberships(self) -> None:
        query = select(Membership.id, Membership.user_id, Membership.team_id, Membership.is_team_admin)
        for row_id, user_id, team_id, admin in await self._connection.execute(query):
            user, team = self._keys[user_id], self._keys[team_id]
            self._plain(row_id, ("membership", f"{user[1]} in {team[1]}"), (user, team), {"admin": admin})

    async def tokens(self) -> None:
        owner_id = func.coalesce(Token.user_id, Token.team_id, Token.service_account_id)
        query = select(
            Token.id, Token.sha256, Token.name, Token.expires_at, Token.revoked_at, Token.replaced_by_id, owner_id
        )
        rows = await self._connection.execute(query)
        for row_id, sha256, name, expires_at, revoked_at, replaced_by, owner in rows:
            if revoked_at is not None or replaced_by is not None:
                self.retired[sha256] = "was replaced" if revoked_at is None else f"was revoked on {revoked_at:%Y-%m-%d}"
                continue
            kind, owner_name = parent = self._keys[owner]
            fields: dict[str, FieldValue] = {
                "name": name,
                "owner": f"{'service' if kind == 'service account' else kind}:{owner_name}",
                "expires": _iso(expires_at),
            }
            self._add(row_id, Record(kind="token", name=sha256, label=name, parents=(parent,), fields=fields))

    async def providers(self) -> None:
        query = select(
            Provider.id,
            Provider.name,
            Provider.adapter,
            Provider.base_url,
            Provider.secret,
            Provider.quirks,
            Provider.options,
            Provider.headers,
            Provider.enabled,
        )
        rows = await self._connection.execute(query)
        for row_id, name, adapter, base_url, secret, quirks, options, headers, enabled in rows:
            if secret:
                self.secrets["provider", name] = {"secret": secret}
            fields: dict[str, FieldValue] = {
                "adapter": adapter,
                "base_url": base_url.rstrip("/"),
                "secret": _shown_secret(secret),
                "quirks": quirks,
                "options": tuple(sorted(options.items())),
                "headers": tuple(sorted(headers.items())),
                "enabled": enabled,
            }
            self._plain(row_id, ("provider", name), (), fields)

    async def models(self) -> None:
        query = select(
            Model.id,
            Model.name,
            Model.aliases,
            Model.operations,
            Model.context_window,
            Model.max_output_tokens,
            Model.request_weight,
            Model.extra_params,
            Model.signature_vault,
            Model.multiple_answers,
            Model.schema_check,
            Model.auto_cache,
            Model.fetch_media,
            Model.max_queries,
            Model.max_seconds,
            Model.owned_by,
            Model.enabled,
        )
        rows = await self._connection.execute(query)
        for (
            row_id,
            name,
            aliases,
            operations,
            window,
            output,
            weight,
            extra_params,
            vault,
            many,
            check,
            cache,
            fetch,
            queries,
            seconds,
            owned_by,
            enabled,
        ) in rows:
            fields: dict[str, FieldValue] = {
                "aliases": tuple(aliases),
                "operations": tuple(operations),
                "context_window": window,
                "max_output_tokens": output,
                "request_weight": weight,
                "extra_params": extra_params,
                "signature_vault": vault,
                "multiple_answers": many,
                "schema_check": check or "report",
                "auto_cache": cache,
                "fetch_media": fetch,
                "max_queries": queries,
                "max_seconds": seconds,
                "owned_by": owned_by,
                "enabled": enabled,
            }
            self._plain(row_id, ("model", name), (), fields)

    async def deployments(self) -> None:
        query = select(
            Deployment.id,
            Deployment.model_id,
            Deployment.provider_id,
            Deployment.upstream_model,
            Deployment.priority,
            Deployment.weight,
            Deployment.connect_timeout_s,
            Deployment.first_byte_timeout_s,
            Deployment.idle_timeout_s,
            Deployment.enabled,
        )
        rows = await self._connection.execute(query)
        for row_id, model_id, provider_id, upstream, priority, weight, connect, first_byte, idle, enabled in rows:
            model, provider = self._keys[model_id], self._keys[provider_id]
            fields: dict[str, FieldValue] = {
                "upstream_model": upstream,
                "priority": priority,
                "weight": weight,
                "connect_s": connect,
                "first_byte_s": first_byte,
                "idle_s": idle,
                "enabled": enabled,
            }
            name = deployment_name(model[1], provider[1], upstream)
            self._plain(row_id, ("deployment", name), (model, provider), fields)

    async def mcp_servers(self) -> None:
        query = select(
            McpServer.id,
            McpServer.name,
            McpServer.title,
            McpServer.description,
            McpServer.url,
            McpServer.headers,
            McpServer.enabled,
        )
        for row_id, name, title, description, url, headers, enabled in await self._connection.execute(query):
            self.secrets["MCP server", name] = {header.lower(): value for header, value in headers.items()}
            fields: dict[str, FieldValue] = {
                "title": title,
                "description": description,
                "url": url,
                "headers": tuple(
                    sorted((header.lower(), _shown_secret(value) or "") for header, value in headers.items())
                ),
                "enabled": enabled,
            }
            self._plain(row_id, ("MCP server", name), (), fields)

    async def grants(self) -> None:
        subject_id = func.coalesce(Grant.org_id, Grant.team_id, Grant.user_id, Grant.service_account_id, Grant.token_id)
        model = func.coalesce(Model.name, Grant.model_pattern)
        server = func.coalesce(McpServer.name, Grant.mcp_server_pattern)
        query = (
            select(Grant.id, subject_id, model, server, Grant.effect)
            .outerjoin(Model, Model.id == Grant.model_id)
            .outerjoin(McpServer, McpServer.id == Grant.mcp_server_id)
        )
        # Of two rows for one name, by its row and by pattern, the denial counts, as it does at run time.
        query = query.order_by(case((Grant.effect == "deny", 1), else_=0))
        for row_id, subject, model_name, server_name, effect in await self._connection.execute(query):
            parent = self._keys.get(subject)
            if parent is None:  # a token that is revoked or replaced
                continue
            kind, subject_name = parent
            form = "service" if kind == "service account" else kind
            of_subject = (parent, f"{form}:{subject_name}", f"{form}:{self.records[parent].label}")
            target: tuple[TargetKind, str] = ("model", model_name) if model_name else ("mcp_server", server_name)
            self._add(row_id, grant_record(of_subject, target, "deny" if effect == "deny" else "allow", ""))

    async def limits(self) -> None:
        subject_id = func.coalesce(Limit.org_id, Limit.team_id, Limit.user_id, Limit.service_account_id, Limit.token_id)
        model = func.coalesce(Model.name, Limit.model_pattern)
        query = select(
            Limit.id,
            subject_id,
            model,
            Limit.metric,
            Limit.period,
            Limit.calendar,
            Limit.amount,
            Limit.mode,
            Limit.per_member,
        ).outerjoin(Model, Model.id == Limit.model_id)
        rows = await self._connection.execute(query)
        for row_id, subject, model_name, metric, period, calendar, amount, mode, per_member in rows:
            parent = self._keys.get(subject)
            if parent is None:  # a token that is revoked or replaced
                continue
            form = "service" if parent[0] == "service account" else parent[0]
            fields: dict[str, FieldValue] = {
                "metric": metric,
                "window": period,
                "calendar": calendar,
                "model": model_name,
                "each": "member" if per_member else "subject",
                "amount": amount,
                "mode": mode,
            }
            name = limit_name(f"{form}:{parent[1]}", fields)
            label = limit_name(f"{form}:{self.records[parent].label}", fields)
            self._add(row_id, Record(kind="limit", name=name, label=label, parents=(parent,), fields=fields))

    async def prices(self) -> None:
        subject_id = func.coalesce(Price.deployment_id, Price.model_id)
        query = select(
            Price.id,
            subject_id,
            Price.meter,
            Price.tier,
            Price.above_tokens,
            Price.valid_from,
            Price.amount,
            Price.per,
        )
        rows = await self._connection.execute(query)
        for row_id, subject, meter, tier, above_tokens, since, amount, per in rows:
            fields: dict[str, FieldValue] = {
                "meter": meter,
                "tier": tier,
                "above_tokens": above_tokens,
                "valid_from": since.astimezone(UTC).isoformat(),
                "amount": plain(amount),
                "per": per,
            }
            self._add(row_id, price_record(self._keys[subject], fields))


def _shown_secret(secret: str | None) -> str | None:
    if not secret:
        return None
    return secret if secret.startswith(ENV_PREFIX) else STORED_SECRET


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).replace(microsecond=0).isoformat()
