"""What a document must hold beyond its types: shapes of names, URLs, duplicates; must not know the database.

Whether a referenced team, provider or model exists is decided when planning (`aqueduct.config.plan`): it may be in
the database and not in the file.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeVar

from msgspec import UnsetType

from adapters.registry import adapter_types
from aqueduct.config import document as doc
from aqueduct.config.addresses import (
    base_url_reasons,
    endpoint_reasons,
    header_reasons,
    secret_header_reasons,
    secret_reasons,
)
from aqueduct.config.grants import grant_targets
from aqueduct.config.prices import price_reasons
from aqueduct.config.problems import Problem
from aqueduct.config.records import FieldValue, limit_name
from aqueduct.config.shapes import Reason, duplicates, free_text, pattern, shape, short_name
from aqueduct.config.source import Source
from aqueduct.limits.price import MICROS_PER_UNIT
from aqueduct.limits.rules import MAX_AMOUNT
from aqueduct.limits.windows import CALENDAR_WINDOWS

ItemT = TypeVar("ItemT")


def items(values: tuple[ItemT, ...] | UnsetType) -> tuple[ItemT, ...]:
    """Return the items of a list that may be absent."""
    return () if isinstance(values, UnsetType) else values


def expiry(text: str) -> datetime:
    """Return the end of a token's life: an ISO date means the end of that day, UTC; raises ValueError."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    when = datetime.fromisoformat(text)
    try:
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise ValueError(text) from error


def problems(document: doc.Document, source: Source) -> Iterator[Problem]:
    """Yield everything in a document of the right types that cannot be meant."""
    for path, reason in _reasons(document):
        yield source.problem(path, reason)


def _reasons(document: doc.Document) -> Iterator[Reason]:
    yield from _orgs(items(document.orgs))
    yield from _memberships(items(document.memberships))
    yield from _tokens(items(document.tokens))
    yield from _providers(items(document.providers))
    yield from _models(items(document.models))
    yield from _mcp_servers(items(document.mcp_servers))
    yield from _grants(items(document.grants))
    yield from _limits(items(document.limits))
    yield from price_reasons(items(document.prices))


def _orgs(orgs: tuple[doc.Org, ...]) -> Iterator[Reason]:
    yield from duplicates("org", ((f"orgs[{i}].slug", org.slug) for i, org in enumerate(orgs)))
    yield from duplicates(
        "user",
        (
            (f"orgs[{i}].users[{j}].email", user.email.lower())
            for i, org in enumerate(orgs)
            for j, user in enumerate(items(org.users))
        ),
    )
    for index, org in enumerate(orgs):
        path = f"orgs[{index}]"
        yield from shape(f"{path}.slug", org.slug, doc.SLUG, "lower-case letters, digits, '-' and '_', at most 63")
        yield from short_name(f"{path}.name", org.name)
        yield from short_name(f"{path}.terms", org.terms)
        yield from _org_members(path, org)


def _org_members(path: str, org: doc.Org) -> Iterator[Reason]:
    teams, users, accounts = items(org.teams), items(org.users), items(org.service_accounts)
    yield from duplicates("team", ((f"{path}.teams[{i}].name", team.name) for i, team in enumerate(teams)))
    yield from duplicates(
        "service account",
        ((f"{path}.service_accounts[{i}].name", f"{one.team}/{one.name}") for i, one in enumerate(accounts)),
    )
    for index, team in enumerate(teams):
        yield from short_name(f"{path}.teams[{index}].name", team.name)
        if team.cost_center is not None:
            allowed = "1 to 100 characters without control characters"
            yield from shape(f"{path}.teams[{index}].cost_center", team.cost_center, doc.COST_CENTER, allowed)
    for index, user in enumerate(users):
        yield from shape(f"{path}.users[{index}].email", user.email, doc.EMAIL, "an e-mail address")
        yield from free_text(f"{path}.users[{index}].name", user.name)
    for index, account in enumerate(accounts):
        yield from short_name(f"{path}.service_accounts[{index}].name", account.name)


def _memberships(memberships: tuple[doc.Membership, ...]) -> Iterator[Reason]:
    keys = ((f"memberships[{i}]", f"{one.user.lower()} in {one.team}") for i, one in enumerate(memberships))
    yield from duplicates("membership", keys)
    for index, one in enumerate(memberships):
        yield from shape(f"memberships[{index}].team", one.team, doc.TEAM_REFERENCE, "a team as ORG/TEAM")
        yield from shape(f"memberships[{index}].user", one.user, doc.EMAIL, "a user's e-mail address")


def _tokens(tokens: tuple[doc.Token, ...]) -> Iterator[Reason]:
    for index, token in enumerate(tokens):
        path = f"tokens[{index}]"
        yield from short_name(f"{path}.name", token.name)
        yield from shape(f"{path}.owner", token.owner, doc.OWNER, "user:EMAIL, team:ORG/TEAM or service:ORG/TEAM/NAME")
        if any(token.token == other.token for other in tokens[:index]):
            yield f"{path}.token", "is the same as that of a token above; every token stands once"
        if not re.fullmatch(doc.HASH_OR_ENV, token.token):
            reason = "must be sha256: and 64 lower-case hex digits, or env:NAME; a token itself never stands in a file"
            yield f"{path}.token", reason
        if token.expires is not None:
            try:
                expiry(token.expires)
            except ValueError:
                yield f"{path}.expires", "must be a date such as 2030-12-31 or 2030-12-31T12:00:00Z"


def _providers(providers: tuple[doc.Provider, ...]) -> Iterator[Reason]:
    yield from duplicates("provider", ((f"providers[{i}].name", one.name) for i, one in enumerate(providers)))
    for index, provider in enumerate(providers):
        path = f"providers[{index}]"
        yield from shape(f"{path}.name", provider.name, doc.PROVIDER_NAME, "letters, digits, '.', '-', '_', at most 63")
        if provider.adapter not in adapter_types():
            known = ", ".join(sorted(adapter_types()))
            yield f"{path}.adapter", f"there is no adapter '{provider.adapter[:60]}'; adapters here: {known}"
        yield from base_url_reasons(f"{path}.base_url", provider.base_url)
        yield from secret_reasons(f"{path}.secret", provider.secret)
        yield from header_reasons(f"{path}.headers", provider.headers)
        for name, value in provider.options.items():
            yield from free_text(f"{path}.options.{name}", value)


def _mcp_servers(servers: tuple[doc.McpServer, ...]) -> Iterator[Reason]:
    yield from duplicates("MCP server", ((f"mcp_servers[{i}].name", one.name) for i, one in enumerate(servers)))
    for index, server in enumerate(servers):
        path = f"mcp_servers[{index}]"
        yield from shape(f"{path}.name", server.name, doc.PROVIDER_NAME, "letters, digits, '.', '-', '_', at most 63")
        yield from free_text(f"{path}.title", server.title)
        yield from free_text(f"{path}.description", server.description)
        yield from endpoint_reasons(f"{path}.url", server.url)
        yield from secret_header_reasons(f"{path}.headers", server.headers)


def _models(models: tuple[doc.Model, ...]) -> Iterator[Reason]:
    names = [(f"models[{i}].name", model.name) for i, model in enumerate(models)]
    names += [
        (f"models[{i}].aliases[{j}]", alias) for i, model in enumerate(models) for j, alias in enumerate(model.aliases)
    ]
    yield from duplicates("model name or alias", names)
    for index, model in enumerate(models):
        path = f"models[{index}]"
        yield from _model_name(f"{path}.name", model.name)
        yield from _aliases(path, model)
        yield from _positive(f"{path}.context_window", model.context_window)
        yield from _longest_answer(f"{path}.max_output_tokens", model)
        yield from _positive(f"{path}.request_weight", model.request_weight)
        yield from _not_negative(f"{path}.max_queries", model.max_queries)
        yield from _not_negative(f"{path}.max_seconds", model.max_seconds)
        yield from free_text(f"{path}.owned_by", model.owned_by)
        operations = ((f"{path}.operations[{i}]", name) for i, name in enumerate(model.operations))
        yield from duplicates("operation", operations)
        yield from _deployments(path, model)


def _longest_answer(path: str, model: doc.Model) -> Iterator[Reason]:
    yield from _positive(path, model.max_output_tokens)
    window, longest = model.context_window, model.max_output_tokens
    if window is not None and longest is not None and longest > window:
        yield path, f"must be at most the model's context_window, {window}"


def _model_name(path: str, name: str) -> Iterator[Reason]:
    allowed = "letters, digits and . _ : / @ + -, begin with a letter or digit, and have at most 200 characters"
    yield from pattern(path, name, doc.MODEL_NAME, allowed)


def _aliases(path: str, model: doc.Model) -> Iterator[Reason]:
    if model.aliases and model.name.endswith("*"):
        yield f"{path}.aliases", "a wildcard has no aliases; give the alias to a model of its own"
    for index, alias in enumerate(model.aliases):
        yield from shape(f"{path}.aliases[{index}]", alias, doc.ALIAS, "a name as of a model, without '*'")


def _deployments(path: str, model: doc.Model) -> Iterator[Reason]:
    deployments = items(model.deployments)
    keys = (
        (f"{path}.deployments[{i}]", f"{one.provider}:{upstream_model(model, one)}")
        for i, one in enumerate(deployments)
    )
    yield from duplicates("deployment", keys)
    for index, one in enumerate(deployments):
        where = f"{path}.deployments[{index}]"
        upstream = upstream_model(model, one)
        if not upstream or not upstream.isprintable() or len(upstream) > 500:
            yield f"{where}.upstream_model", "must be the provider's name of the model, at most 500 characters"
        elif upstream.count("*") > int(model.name.endswith("*")):
            yield f"{where}.upstream_model", "may hold one '*', and only under a model whose name ends with '*'"
        if not 1 <= one.weight <= 1_000_000:
            yield f"{where}.weight", "must be a whole number from 1 to 1000000; `enabled: false` takes it out"
        if abs(one.priority) > 1_000_000:
            yield f"{where}.priority", "must be a whole number from -1000000 to 1000000"
        for name in one.timeouts.__struct_fields__:
            yield from _timeout(f"{where}.timeouts.{name}", getattr(one.timeouts, name))


def upstream_model(model: doc.Model, deployment: doc.Deployment) -> str:
    """Return what the provider is asked for: without a word on it the model's own name, or a wildcard's `*`."""
    if deployment.upstream_model is not None:
        return deployment.upstream_model
    return "*" if model.name.endswith("*") else model.name


def _grants(grants: tuple[doc.Grant, ...]) -> Iterator[Reason]:
    named: list[tuple[str, str]] = []
    for index, grant in enumerate(grants):
        path = f"grants[{index}]"
        forms = "org:SLUG, team:ORG/TEAM, user:EMAIL, service:ORG/TEAM/NAME or token:NAME"
        yield from shape(f"{path}.subject", grant.subject, doc.SUBJECT, forms)
        targets = tuple(grant_targets(grant))
        if not targets:
            yield path, "neither allows nor denies anything; add 'allow' or 'deny', or remove it"
        for target in targets:
            where = f"{path}.{target.path}"
            named.append((where, f"{grant.subject} {target.shown}"))
            if target.kind == "model":
                yield from _model_name(where, target.name)
            else:
                yield from pattern(
                    where, target.name, doc.MCP_SERVER, "the name of an MCP server, or a beginning and '*'"
                )
    yield from duplicates("grant", named)


def _limits(limits: tuple[doc.Limit, ...]) -> Iterator[Reason]:
    for index, limit in enumerate(limits):
        path = f"limits[{index}]"
        forms = "org:SLUG, team:ORG/TEAM, user:EMAIL, service:ORG/TEAM/NAME or token:NAME"
        yield from shape(f"{path}.subject", limit.subject, doc.SUBJECT, forms)
        if limit.model is not None:
            yield from _model_name(f"{path}.model", limit.model)
        if limit.each == "member" and limit.subject.partition(":")[0] not in {"org", "team"}:
            yield f"{path}.each", "only an organisation or a team has members; remove it"
        yield from _window(path, limit)
        yield from _amount(f"{path}.amount", limit)
    named = ((f"limits[{i}]", limit_name(limit.subject, identity(limit))) for i, limit in enumerate(limits))
    yield from duplicates("limit", named)


def identity(limit: doc.Limit) -> dict[str, FieldValue]:
    """Return the fields that tell a limit of a subject from its others: all but its amount and its mode."""
    return {
        "metric": limit.metric,
        "window": limit.window,
        "calendar": is_calendar(limit),
        "model": limit.model,
        "each": limit.each,
    }


def is_calendar(limit: doc.Limit) -> bool:
    """Whether the window is one of the calendar."""
    if limit.calendar is not None:
        return limit.calendar
    return limit.metric == "cost" and limit.window in CALENDAR_WINDOWS


def _window(path: str, limit: doc.Limit) -> Iterator[Reason]:
    if limit.metric == "concurrency":
        if limit.window is not None:
            yield f"{path}.window", "requests at once have no window; remove it"
    elif limit.window is None:
        yield path, "the key 'window' is missing"
    if limit.calendar and limit.window not in CALENDAR_WINDOWS:
        yield f"{path}.calendar", "only a day, a week or a month is one of the calendar"


def credits_of(limit: doc.Limit) -> int:
    """Return the amount as it is counted: of `cost` in micro-units; raises `ValueError` where it is not whole."""
    amount = Decimal(str(limit.amount)) * (MICROS_PER_UNIT if limit.metric == "cost" else 1)
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise ValueError(amount)
    return int(amount)


def _amount(path: str, limit: doc.Limit) -> Iterator[Reason]:
    try:
        found = credits_of(limit)
    except ValueError:
        yield path, "must have six decimals at most" if limit.metric == "cost" else "must be a whole number"
        return
    if not 0 <= found <= MAX_AMOUNT:
        most = MAX_AMOUNT // MICROS_PER_UNIT if limit.metric == "cost" else MAX_AMOUNT
        yield path, f"must be from 0 to {most}"


def _timeout(path: str, seconds: float | None) -> Iterator[Reason]:
    if seconds is not None and not 0.001 <= seconds <= 86_400:
        yield path, "must be seconds from 0.001 to 86400"


def _not_negative(path: str, value: int | None) -> Iterator[Reason]:
    if value is not None and not 0 <= value <= 1_000_000:
        yield path, "must be a whole number from 0 to 1000000"


def _positive(path: str, value: int | None) -> Iterator[Reason]:
    if value is not None and not 1 <= value <= 2_000_000_000:
        yield path, "must be a whole number from 1 to 2000000000"
