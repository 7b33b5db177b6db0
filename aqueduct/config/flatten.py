"""From a checked file to flat records; must not know the database.

Each section has a function that yields the records of one item.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from msgspec import UNSET

from aqueduct.config import document as doc
from aqueduct.config.grants import grant_targets
from aqueduct.config.prices import deployment_name, plain, subject_name, valid_from
from aqueduct.config.records import (
    ALL,
    FieldValue,
    Key,
    Kind,
    Record,
    Wanted,
    grant_record,
    limit_name,
    owner_key,
    price_record,
    team_key,
    unique,
)
from aqueduct.config.rules import credits_of, expiry, identity, items, upstream_model

TokenHash = Callable[[doc.Token], str]


def wanted(document: doc.Document, token_hash: TokenHash, tokens_by_name: Mapping[str, str]) -> Wanted:
    """Flatten a checked document.

    `token_hash` gives the SHA-256 of a declared token; `tokens_by_name` those that the database has, by name.
    """
    hashes = tuple(token_hash(token) for token in items(document.tokens))
    named = {**tokens_by_name, **unique(zip((token.name for token in items(document.tokens)), hashes, strict=True))}
    records = (
        *(record for i, org in enumerate(items(document.orgs)) for record in _org(f"orgs[{i}]", org)),
        *(_membership(f"memberships[{i}]", one) for i, one in enumerate(items(document.memberships))),
        *(_token(f"tokens[{i}]", one, hashes[i]) for i, one in enumerate(items(document.tokens))),
        *(_provider(f"providers[{i}]", one) for i, one in enumerate(items(document.providers))),
        *(record for i, model in enumerate(items(document.models)) for record in _model(f"models[{i}]", model)),
        *(_mcp_server(f"mcp_servers[{i}]", one) for i, one in enumerate(items(document.mcp_servers))),
        *(record for i, grant in enumerate(items(document.grants)) for record in _grant(f"grants[{i}]", grant, named)),
        *(_limit(f"limits[{i}]", limit, named) for i, limit in enumerate(items(document.limits))),
        *(_price(f"prices[{i}]", price) for i, price in enumerate(items(document.prices))),
    )
    return Wanted(records=records, complete=frozenset(_complete(document)))


_SECTIONS: Final[dict[str, Kind]] = {
    "orgs": "org",
    "memberships": "membership",
    "tokens": "token",
    "providers": "provider",
    "models": "model",
    "mcp_servers": "MCP server",
    "grants": "grant",
    "limits": "limit",
    "prices": "price",
}
_OF_ORGS: Final[dict[str, Kind]] = {"teams": "team", "users": "user", "service_accounts": "service account"}


def _complete(document: doc.Document) -> Iterator[tuple[Kind, str]]:
    for name, kind in _SECTIONS.items():
        if getattr(document, name) is not UNSET:
            yield kind, ALL
    for org in items(document.orgs):
        for name, kind in _OF_ORGS.items():
            if getattr(org, name) is not UNSET:
                yield kind, org.slug
    for model in items(document.models):
        if model.deployments is not UNSET:
            yield "deployment", model.name


def _org(path: str, org: doc.Org) -> Iterator[Record]:
    parent: tuple[Key, ...] = (("org", org.slug),)
    yield Record(
        kind="org",
        name=org.slug,
        label=org.slug,
        path=path,
        fields={
            "name": org.name or org.slug,
            "enabled": org.enabled,
            "default_team": org.default_team,
            "terms": org.terms,
        },
    )
    for index, team in enumerate(items(org.teams)):
        name = f"{org.slug}/{team.name}"
        where = f"{path}.teams[{index}]"
        of_team: dict[str, FieldValue] = {"cost_center": team.cost_center, "enabled": team.enabled}
        yield Record(kind="team", name=name, label=name, path=where, parents=parent, fields=of_team)
    for index, user in enumerate(items(org.users)):
        email = user.email.lower()
        fields: dict[str, FieldValue] = {"name": user.name, "admin": user.admin, "enabled": user.enabled}
        where = f"{path}.users[{index}]"
        yield Record(kind="user", name=email, label=email, path=where, parents=parent, fields=fields)
    for index, account in enumerate(items(org.service_accounts)):
        team_name = f"{org.slug}/{account.team}"
        name = f"{team_name}/{account.name}"
        yield Record(
            kind="service account",
            name=name,
            label=name,
            path=f"{path}.service_accounts[{index}]",
            parents=(team_key(team_name),),
            fields={"enabled": account.enabled},
        )


def _membership(path: str, one: doc.Membership) -> Record:
    user = one.user.lower()
    name = f"{user} in {one.team}"
    return Record(
        kind="membership",
        name=name,
        label=name,
        path=path,
        parents=(("user", user), team_key(one.team)),
        fields={"admin": one.admin},
    )


def _token(path: str, token: doc.Token, sha256: str) -> Record:
    form, _, name = token.owner.partition(":")
    owner = f"{form}:{name.lower() if form == 'user' else name}"
    expires = None if token.expires is None else expiry(token.expires).isoformat()
    return Record(
        kind="token",
        name=sha256,
        label=token.name,
        path=path,
        parents=(owner_key(owner),),
        fields={"name": token.name, "owner": owner, "expires": expires},
    )


def _provider(path: str, one: doc.Provider) -> Record:
    shown = None if one.secret is None else _shown_secret(one.secret)
    return Record(
        kind="provider",
        name=one.name,
        label=one.name,
        path=path,
        literal_secrets=_literal_secrets({} if one.secret is None else {"secret": one.secret}),
        fields={
            "adapter": one.adapter,
            "base_url": one.base_url.rstrip("/"),
            "secret": shown,
            "quirks": one.quirks,
            "options": tuple(sorted(one.options.items())),
            "headers": tuple(sorted(one.headers.items())),
            "enabled": one.enabled,
        },
    )


def _mcp_server(path: str, one: doc.McpServer) -> Record:
    headers = {name.lower(): value for name, value in one.headers.items()}
    return Record(
        kind="MCP server",
        name=one.name,
        label=one.name,
        path=path,
        literal_secrets=_literal_secrets(headers),
        fields={
            "title": one.title,
            "description": one.description,
            "url": one.url,
            "headers": tuple(sorted((name, _shown_secret(value)) for name, value in headers.items())),
            "enabled": one.enabled,
        },
    )


def _shown_secret(secret: str) -> str:
    return secret if secret.startswith(doc.ENV_PREFIX) else doc.STORED_SECRET


def _literal_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return those that are credentials themselves, by slot."""
    return {
        slot: secret
        for slot, secret in secrets.items()
        if secret != doc.STORED_SECRET and not secret.startswith(doc.ENV_PREFIX)
    }


def _model(path: str, model: doc.Model) -> Iterator[Record]:
    yield Record(
        kind="model",
        name=model.name,
        label=model.name,
        path=path,
        fields={
            "aliases": model.aliases,
            "operations": model.operations,
            "context_window": model.context_window,
            "max_output_tokens": model.max_output_tokens,
            "request_weight": model.request_weight,
            "extra_params": model.extra_params,
            "signature_vault": model.signature_vault,
            "multiple_answers": model.multiple_answers,
            "schema_check": model.schema_check,
            "auto_cache": model.auto_cache,
            "fetch_media": model.fetch_media,
            "max_queries": model.max_queries,
            "max_seconds": model.max_seconds,
            "owned_by": model.owned_by,
            "enabled": model.enabled,
        },
    )
    for index, one in enumerate(items(model.deployments)):
        name = deployment_name(model.name, one.provider, upstream_model(model, one))
        yield Record(
            kind="deployment",
            name=name,
            label=name,
            path=f"{path}.deployments[{index}]",
            parents=(("model", model.name), ("provider", one.provider)),
            fields={
                "upstream_model": upstream_model(model, one),
                "priority": one.priority,
                "weight": one.weight,
                "connect_s": one.timeouts.connect_s,
                "first_byte_s": one.timeouts.first_byte_s,
                "idle_s": one.timeouts.idle_s,
                "enabled": one.enabled,
            },
        )


def _subject(subject: str, tokens: Mapping[str, str]) -> tuple[Key, str]:
    """Return the key of a subject and its name in keys, in which a token is named by its hash."""
    form, _, name = subject.partition(":")
    if form == "token":
        hashed = re.fullmatch(r"sha256:([0-9a-f]{64})", name)
        key: Key = ("token", hashed[1] if hashed else tokens.get(name, name))
    else:
        key = owner_key(subject)
    return key, f"{form}:{key[1]}"


def _limit(path: str, limit: doc.Limit, tokens: Mapping[str, str]) -> Record:
    key, subject = _subject(limit.subject, tokens)
    fields = {**identity(limit), "amount": credits_of(limit), "mode": limit.mode}
    name = limit_name(subject, fields)
    label = limit_name(limit.subject, fields)
    return Record(kind="limit", name=name, label=label, path=path, parents=(key,), fields=fields)


def _grant(path: str, grant: doc.Grant, tokens: Mapping[str, str]) -> Iterator[Record]:
    key, subject = _subject(grant.subject, tokens)
    for target in grant_targets(grant):
        place = f"{path}.{target.path}"
        yield grant_record((key, subject, grant.subject), (target.kind, target.name), target.effect, place)


def _price(path: str, price: doc.Price) -> Record:
    fields: dict[str, FieldValue] = {
        "meter": price.meter,
        "tier": price.tier,
        "above_tokens": price.above_tokens,
        "valid_from": valid_from(price.valid_from).isoformat(),
        "amount": plain(Decimal(price.amount)),
        "per": price.per,
    }
    return price_record(("model" if price.provider is None else "deployment", subject_name(price)), fields, path)
