"""The catalog as one value with its lookups, immutable but for what is revoked; knows no database.

A request takes the current snapshot once and keeps it to its end. Every lookup is a dictionary hit; the owner of a
token is worked out when it first comes, and names that only a wildcard model matches are remembered, within a bound.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal, Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from adapters.base import Deployment, ExtraParams, Secret
from aqueduct.auth.credentials import Refusal
from aqueduct.auth.principal import Principal
from aqueduct.usage.pricing import PriceList

MAX_NAME_CHARS = 256
RETIRED_AT_ONCE = 1000
SchemaCheck = Literal["off", "report", "repair"]
WILDCARD_CACHE_NAMES = 4096
"""Names remembered per snapshot. Clients choose them, so there must be a bound; beyond it nothing is remembered."""


class RoutedDeployment(Struct, frozen=True):
    """A deployment and its place: lower `priority` is tried first, `weight` (1 or more) shares the load."""

    deployment: Deployment
    priority: int
    weight: int


class ResolvedModel(Struct, frozen=True, kw_only=True):
    """A model that a client named. `created` is in Unix seconds.

    `name` is the public name: for an alias the model's own, for a wildcard model the name that matched it.
    `catalog_name` is the name in the catalog, of which there are few (`openai/*`): for metrics. `operations` empty
    means whatever the deployments' adapters can do. `schema_check` says whether answers are held against the client's
    schema. `signature_vault` None: where a deployment's adapter wants it. `deployments` are ordered by priority; all
    are enabled.
    """

    id: UUID
    name: str
    catalog_name: str
    created: int
    owned_by: str
    operations: frozenset[str]
    context_window: int | None
    max_output_tokens: int | None
    request_weight: int
    extra_params: ExtraParams
    signature_vault: bool | None = None
    schema_check: SchemaCheck = "report"
    deployments: tuple[RoutedDeployment, ...]


class McpServer(Struct, frozen=True, kw_only=True):
    """A server of tools that can be reached: `url` and `headers` are the operator's, and never told to callers."""

    id: UUID
    name: str
    title: str
    description: str
    url: str
    headers: Mapping[str, Secret]


class Problem(Struct, frozen=True):
    """A row that was refused, or could not be renewed: its table, its name, and why. Holds no secret."""

    table: str
    name: str
    reason: str


class Owners(Protocol):
    """Who tokens belong to."""

    def of(self, sha256: str) -> Principal | Refusal:
        """Return the owner of a token by the SHA-256 of its text, or why it has none."""
        ...


class Contents(Struct, frozen=True, kw_only=True):
    """What a snapshot is made of. Models are keyed by name and alias.

    No wildcard answers for the `blocked_names`, nor a shorter one for names that begin with a blocked prefix: they
    belong to models that are disabled or refused.
    """

    owners: Owners
    models: Mapping[str, ResolvedModel]
    wildcards: tuple[ResolvedModel, ...]
    blocked_names: frozenset[str] = frozenset()
    blocked_prefixes: tuple[str, ...] = ()
    prices: Mapping[str, PriceList] = msgspec.field(default_factory=dict[str, PriceList])
    mcp_servers: Mapping[str, McpServer] = msgspec.field(default_factory=dict[str, McpServer])


class Snapshot:
    """One version of the catalog. `loaded_at` is in Unix seconds, `problems` are the rows that were refused.

    `prices` are those of the deployments that have any, by id.
    """

    __slots__ = (
        "_by_wildcard",
        "_contents",
        "_prefixes",
        "_principals",
        "_revoked",
        "_visible",
        "loaded_at",
        "prices",
        "problems",
        "version",
    )

    def __init__(self, version: int, loaded_at: float, contents: Contents, problems: tuple[Problem, ...] = ()) -> None:
        self.version = version
        self.loaded_at = loaded_at
        self.problems = problems
        self.prices = contents.prices
        self._contents = contents
        self._principals: dict[str, Principal] = {}
        self._revoked: dict[UUID, Refusal] = {}
        prefixes: dict[str, ResolvedModel | None] = dict.fromkeys(contents.blocked_prefixes)
        prefixes |= {model.catalog_name[:-1]: model for model in contents.wildcards}
        self._prefixes = sorted(prefixes.items(), key=lambda item: len(item[0]), reverse=True)
        self._by_wildcard: dict[str, ResolvedModel] = {}
        own_names = {model.name: model for model in contents.models.values()}
        self._visible = tuple(own_names[name] for name in sorted(own_names))

    def principal(self, sha256: str) -> Principal | None:
        """Return the owner of a token that is known, not revoked, and whose owners are all enabled.

        A team's token needs its team and org enabled, a service account's token those and the service account, a
        user's token the user and the org. Whether the token has expired, the caller decides by `expires_at`.
        """
        found = self._principals.get(sha256)
        if found is None:
            made = self._contents.owners.of(sha256)
            if isinstance(made, Refusal):
                return None
            found = self._principals[sha256] = made
        return None if self._revoked and self._revocation(found) else found

    def refusal(self, sha256: str) -> Refusal:
        """Return why a token has no principal: `REVOKED`, `EXPIRED`, `DISABLED` or `UNKNOWN`."""
        found = self._contents.owners.of(sha256)
        if isinstance(found, Refusal):
            return found
        return self._revocation(found) or Refusal.UNKNOWN

    def revoke(self, revoked: Mapping[UUID, Refusal]) -> None:
        """Let nobody in any more who stands on one of these rows: a token, its owner, or its owner's team or org."""
        self._revoked |= revoked

    async def retire(self) -> None:
        """Forget the principals, a few at a time: freed at once they would hold up requests. They can be made again."""
        while self._principals:
            for _ in range(min(RETIRED_AT_ONCE, len(self._principals))):
                self._principals.popitem()
            await asyncio.sleep(0)

    def resolve(self, name: str) -> ResolvedModel | None:
        """Return the model of that name or alias, else the wildcard model with the longest beginning that matches."""
        model = self._contents.models.get(name)
        if model is not None:
            return model
        model = self._by_wildcard.get(name)
        if model is not None:
            return model
        return self._resolve_wildcard(name)

    def may_use(self, principal: Principal, model_name: str) -> bool:
        """Whether the grants let a principal use a model, by its public name."""
        return principal.policy.permits(model_name)

    def visible_models(self, principal: Principal) -> tuple[ResolvedModel, ...]:
        """Return the models that a principal may use, sorted by name. Wildcard models have no names to list."""
        permits = principal.policy.permits
        return tuple(model for model in self._visible if permits(model.name))

    def visible_mcp_servers(self, principal: Principal) -> tuple[McpServer, ...]:
        """Return the MCP servers that a principal may use, sorted by name."""
        servers = self._contents.mcp_servers
        return tuple(servers[name] for name in sorted(servers) if principal.mcp_policy.permits(name))

    def _revocation(self, principal: Principal) -> Refusal | None:
        """Return why what it stands on counts no more. A user stands on no team: disabling one leaves its users be."""
        owner = (principal.user_id,) if principal.user_id else (principal.service_account_id, principal.team_id)
        rows = (principal.token_id, *owner, principal.org_id)
        return next((self._revoked[row] for row in rows if row is not None and row in self._revoked), None)

    def _resolve_wildcard(self, name: str) -> ResolvedModel | None:
        if len(name) > MAX_NAME_CHARS or name in self._contents.blocked_names:
            return None
        for prefix, model in self._prefixes:
            if name.startswith(prefix):
                matched = name[len(prefix) :]
                if model is None or not _is_plain(matched):
                    return None
                resolved = _specialise(model, name, matched)
                if len(self._by_wildcard) < WILDCARD_CACHE_NAMES:
                    self._by_wildcard[name] = resolved
                return resolved
        return None


def _is_plain(matched: str) -> bool:
    """Whether a text from a client may become part of an upstream model's name, which may become part of a URL."""
    if not matched or not matched.isascii() or not matched.isprintable() or matched.startswith("/"):
        return False
    if any(char in matched for char in " \\?#%*"):
        return False
    return all(segment not in {"", ".", ".."} for segment in matched.split("/"))


def _specialise(model: ResolvedModel, name: str, matched: str) -> ResolvedModel:
    """Return a wildcard model under a concrete name."""
    deployments = tuple(
        RoutedDeployment(
            msgspec.structs.replace(
                routed.deployment,
                model=name,
                upstream_model=routed.deployment.upstream_model.replace("*", matched, 1),
            ),
            routed.priority,
            routed.weight,
        )
        for routed in model.deployments
    )
    return msgspec.structs.replace(model, name=name, deployments=deployments)
