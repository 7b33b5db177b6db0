"""From the rows of providers, models and deployments to resolved models; a row that cannot be used is reported.

A bad row does not take its neighbours down. Where an earlier load had a good version of it, that one stays in force,
else it counts as disabled. A disabled model keeps its names: no alias or wildcard answers in its place.
"""

from functools import partial
from uuid import UUID

import msgspec
from msgspec import Struct

from adapters.base import MAX_QUERIES, MAX_SECONDS, Deployment, Secret
from adapters.transport import Timeouts
from aqueduct.catalog.row_checks import RowError, Sources, check_headers, checked, http_url, keep, strings
from aqueduct.catalog.rows import DeploymentRow, ModelRow, ProviderRow, Rows
from aqueduct.catalog.snapshot import MAX_NAME_CHARS, Problem, ResolvedModel, RoutedDeployment

DEFAULT_OWNER = "aqueduct"


class Account(Struct, frozen=True, kw_only=True):
    """A provider that can be called."""

    name: str
    adapter: str
    base_url: str
    credential: Secret | None
    quirks: str
    options: dict[str, str]
    headers: dict[str, str]


class LastGood(Struct):
    """The last version of each row, by id, that could be used; kept from load to load."""

    accounts: dict[UUID, Account] = msgspec.field(default_factory=dict[UUID, Account])
    models: dict[UUID, ModelRow] = msgspec.field(default_factory=dict[UUID, ModelRow])
    deployments: dict[UUID, DeploymentRow] = msgspec.field(default_factory=dict[UUID, DeploymentRow])


class Models(Struct, frozen=True, kw_only=True):
    """The models in service by name and alias, the wildcard models, and the names that must not answer.

    `aliases` maps each alias to its model's own name. `good` is what the next load falls back on.
    """

    by_name: dict[str, ResolvedModel]
    wildcards: tuple[ResolvedModel, ...]
    blocked_names: frozenset[str]
    blocked_prefixes: tuple[str, ...]
    aliases: dict[str, str]
    problems: list[Problem]
    good: LastGood


def build_models(rows: Rows, sources: Sources, last_good: LastGood) -> Models:
    """Return the models that can be served and a problem for each row that cannot be used."""
    problems: list[Problem] = []
    good = LastGood()
    for provider in rows.providers:
        check = partial(_account, provider, sources)
        old = last_good.accounts.get(provider.id)
        keep(good.accounts, provider.id, checked(check, old, ("providers", provider.name), problems))
    for model in rows.models:
        old_model = last_good.models.get(model.id)
        keep(good.models, model.id, checked(partial(_model, model), old_model, ("models", model.name), problems))
    names = {model.id: model.name for model in rows.models}
    for row in rows.deployments:
        where = ("deployments", f"{names.get(row.model_id, '?')} to {row.upstream_model}")
        is_wildcard = names.get(row.model_id, "").endswith("*")
        check_row = partial(_deployment_row, row, is_wildcard=is_wildcard)
        keep(good.deployments, row.id, checked(check_row, last_good.deployments.get(row.id), where, problems))
    models = _in_service(rows, good)
    return _named(rows, models, good, problems)


def _in_service(rows: Rows, good: LastGood) -> dict[UUID, ResolvedModel]:
    """Return the enabled models with their enabled deployments at enabled providers."""
    accounts = {row.id: good.accounts[row.id] for row in rows.providers if row.enabled and row.id in good.accounts}
    routed: dict[UUID, list[RoutedDeployment]] = {}
    for row in (good.deployments[row.id] for row in rows.deployments if row.enabled and row.id in good.deployments):
        account, model = accounts.get(row.provider_id), good.models.get(row.model_id)
        if account is not None and model is not None:
            deployment = _deployment(row, account, model)
            routed.setdefault(row.model_id, []).append(RoutedDeployment(deployment, row.priority, row.weight))
    return {
        row.id: _resolved(good.models[row.id], routed.get(row.id, []))
        for row in rows.models
        if row.enabled and row.id in good.models
    }


def _named(rows: Rows, models: dict[UUID, ResolvedModel], good: LastGood, problems: list[Problem]) -> Models:
    claimed = [good.models.get(row.id, row) for row in rows.models]
    aliases = _aliases(claimed, problems)
    by_name = {model.name: model for model in models.values() if not model.name.endswith("*")}
    by_name |= {alias: models[row.id] for alias, row in aliases.items() if row.id in models}
    silent = [row.name for row in claimed if row.id not in models]
    silent += [alias for alias, row in aliases.items() if row.id not in models]
    return Models(
        by_name=by_name,
        wildcards=tuple(model for model in models.values() if model.name.endswith("*")),
        blocked_names=frozenset(name for name in silent if not name.endswith("*")),
        blocked_prefixes=tuple(name[:-1] for name in silent if name.endswith("*")),
        aliases={alias: row.name for alias, row in aliases.items()},
        problems=problems,
        good=good,
    )


def _aliases(claimed: list[ModelRow], problems: list[Problem]) -> dict[str, ModelRow]:
    """Return each alias's model. A model's own name comes before aliases, an older model before a newer one."""
    names = {row.name for row in claimed}
    found: dict[str, ModelRow] = {}
    for row in claimed:
        for alias in row.aliases:
            reason = None
            if row.name.endswith("*"):
                reason = "a wildcard model cannot have aliases"
            elif "*" in alias or not _is_name(alias):
                reason = "an alias is a name without '*'"
            elif alias in names or alias in found:
                reason = f"the alias {alias!r} is already the name or alias of a model"
            if reason is None:
                found[alias] = row
            else:
                problems.append(Problem("models", row.name, reason))
    return found


def _account(row: ProviderRow, sources: Sources) -> Account:
    if row.adapter not in sources.adapters:
        raise RowError(f"unknown adapter type {row.adapter!r}")
    return Account(
        name=row.name,
        adapter=row.adapter,
        base_url=_base_url(row.base_url),
        credential=sources.secrets.resolve(row.secret, row.id, sources.environment),
        quirks=row.quirks,
        options=strings(row.options, "options"),
        headers=_headers(row.headers),
    )


def _model(row: ModelRow) -> ModelRow:
    if not _is_name(row.name):
        raise RowError(f"a name has 1 to {MAX_NAME_CHARS} printable characters, and '*' only at its end")
    return row


def _deployment_row(row: DeploymentRow, *, is_wildcard: bool) -> DeploymentRow:
    if not row.upstream_model or not row.upstream_model.isprintable():
        raise RowError("upstream_model is empty or not printable")
    if row.upstream_model.count("*") > int(is_wildcard):
        raise RowError("upstream_model may hold one '*', and only where the model's name ends in '*'")
    return row


def _deployment(row: DeploymentRow, account: Account, model: ModelRow) -> Deployment:
    default = Timeouts()
    return Deployment(
        id=str(row.id),
        model=model.name,
        provider=account.name,
        adapter=account.adapter,
        upstream_model=row.upstream_model,
        base_url=account.base_url,
        credential=account.credential,
        quirks=account.quirks,
        options=account.options,
        headers=account.headers,
        extra_params=model.extra_params,
        multiple_answers=model.multiple_answers,
        auto_cache=model.auto_cache,
        fetch_media=model.fetch_media,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        max_queries=MAX_QUERIES if model.max_queries is None else model.max_queries,
        max_seconds=MAX_SECONDS if model.max_seconds is None else model.max_seconds,
        timeouts=Timeouts(
            connect_s=row.connect_timeout_s or default.connect_s,
            first_byte_s=row.first_byte_timeout_s or default.first_byte_s,
            idle_s=row.idle_timeout_s or default.idle_s,
        ),
    )


def _resolved(row: ModelRow, deployments: list[RoutedDeployment]) -> ResolvedModel:
    return ResolvedModel(
        id=row.id,
        name=row.name,
        catalog_name=row.name,
        created=int(row.created_at.timestamp()),
        owned_by=row.owned_by or DEFAULT_OWNER,
        operations=frozenset(row.operations),
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        request_weight=row.request_weight,
        extra_params=row.extra_params,
        signature_vault=row.signature_vault,
        schema_check=row.schema_check or "report",
        deployments=tuple(sorted(deployments, key=lambda routed: (routed.priority, routed.deployment.id))),
    )


def _base_url(text: str) -> str:
    if not text:
        return ""
    if http_url(text, "base_url").query:
        raise RowError("base_url must hold no query")
    return text.rstrip("/")


def _headers(text: str) -> dict[str, str]:
    headers = strings(text, "headers")
    check_headers(headers)
    return headers


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name == name.strip() and "*" not in name[:-1]
