"""A configuration as flat records, one per row of the database, so that two of them can be compared.

The file and the database are both brought into this form; it must not know where a record came from beyond its path.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, Literal

from msgspec import UNSET, Struct

from aqueduct.config import document as doc
from aqueduct.config.prices import deployment_name, place_name, plain, subject_name, valid_from
from aqueduct.config.rules import credits_of, expiry, is_calendar, items, upstream_model

Kind = Literal[
    "org",
    "team",
    "user",
    "service account",
    "membership",
    "token",
    "provider",
    "model",
    "deployment",
    "grant",
    "limit",
    "price",
]
KINDS: Final[tuple[Kind, ...]] = (
    "org",
    "team",
    "user",
    "service account",
    "membership",
    "token",
    "provider",
    "model",
    "deployment",
    "grant",
    "limit",
    "price",
)
"""In the order in which they can be created: none refers to a later one, an org's default team excepted."""

FieldValue = str | int | float | bool | tuple[str, ...] | tuple[tuple[str, str], ...] | None
Key = tuple[Kind, str]
"""The kind, and what identifies the thing among its kind; see `record_key` for how names combine."""


class Record(Struct, frozen=True, kw_only=True):
    """One thing of the configuration.

    `label` is for people, `path` says where in the file it stands (empty: it is in the database). `parents` are what
    it cannot exist without. `literal_secret` is a provider's key as the file has it, and never shown.
    """

    kind: Kind
    name: str
    label: str
    fields: Mapping[str, FieldValue]
    parents: tuple[Key, ...] = ()
    path: str = ""
    literal_secret: str | None = None

    @property
    def key(self) -> Key:
        """What identifies the record."""
        return self.kind, self.name


class Wanted(Struct, frozen=True, kw_only=True):
    """What a file asks for. `complete` are the kinds (and the parents) whose lists the file gives in full."""

    records: tuple[Record, ...]
    complete: frozenset[tuple[Kind, str]]


class Stored(Struct, frozen=True, kw_only=True):
    """What the database holds. `retired` says of tokens that are revoked or replaced, by hash, what became of them."""

    records: Mapping[Key, Record]
    retired: Mapping[str, str]

    def tokens_by_name(self) -> dict[str, str]:
        """Return the hashes of the tokens whose names are unique."""
        return unique((record.label, record.name) for record in self.records.values() if record.kind == "token")


def unique(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what each name stands for, without the names that stand for several things."""
    found: dict[str, set[str]] = {}
    for name, meaning in named:
        found.setdefault(name, set()).add(meaning)
    return {name: next(iter(meanings)) for name, meanings in found.items() if len(meanings) == 1}


ALL: Final = ""
"""The second half of an entry of `Wanted.complete` for kinds that are listed at the top of the file."""


def texts(value: FieldValue) -> tuple[str, ...]:
    """Return a field that holds a list of texts."""
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, tuple) else ()


def pairs(value: FieldValue) -> dict[str, str]:
    """Return a field that holds texts by name."""
    return {entry[0]: entry[1] for entry in value if isinstance(entry, tuple)} if isinstance(value, tuple) else {}


TokenHash = Callable[[doc.Token], str]


def team_key(reference: str) -> Key:
    """Return the key of the team `org/team`."""
    return "team", reference


def owner_key(owner: str) -> Key:
    """Return the key that `user:EMAIL`, `team:ORG/TEAM`, `service:ORG/TEAM/NAME` or `org:SLUG` stands for."""
    form, _, name = owner.partition(":")
    kinds: dict[str, Kind] = {"user": "user", "team": "team", "service": "service account", "org": "org"}
    return kinds[form], name.lower() if form == "user" else name


def grant_name(subject: str, model: str) -> str:
    """Return the name that identifies a grant; a token is named by its hash here."""
    return f"{subject} {model}"


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
    shown = one.secret is None or one.secret == doc.STORED_SECRET or one.secret.startswith(doc.ENV_PREFIX)
    return Record(
        kind="provider",
        name=one.name,
        label=one.name,
        path=path,
        literal_secret=None if shown else one.secret,
        fields={
            "adapter": one.adapter,
            "base_url": one.base_url.rstrip("/"),
            "secret": one.secret if shown else doc.STORED_SECRET,
            "quirks": one.quirks,
            "options": tuple(sorted(one.options.items())),
            "headers": tuple(sorted(one.headers.items())),
            "enabled": one.enabled,
        },
    )


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


LimitFields = Mapping[str, FieldValue]


def limit_name(subject: str, fields: LimitFields) -> str:
    """Return the name that identifies a limit, also to people."""
    window = fields["window"] or ""
    kind = "calendar " if fields["calendar"] else ""
    model = f" of {fields['model']}" if fields["model"] else ""
    each = " each member" if fields["each"] == "member" else ""
    return (
        f"{subject}{each} {fields['metric']} per {kind}{window}{model}"
        if window
        else (f"{subject}{each} {fields['metric']}{model}")
    )


def _limit(path: str, limit: doc.Limit, tokens: Mapping[str, str]) -> Record:
    key, subject = _subject(limit.subject, tokens)
    fields: dict[str, FieldValue] = {
        "metric": limit.metric,
        "window": limit.window,
        "calendar": is_calendar(limit),
        "model": limit.model,
        "each": limit.each,
        "amount": credits_of(limit),
        "mode": limit.mode,
    }
    name = limit_name(subject, fields)
    label = limit_name(limit.subject, fields)
    return Record(kind="limit", name=name, label=label, path=path, parents=(key,), fields=fields)


def _grant(path: str, grant: doc.Grant, tokens: Mapping[str, str]) -> Iterator[Record]:
    key, subject = _subject(grant.subject, tokens)
    for effect, names in (("allow", grant.allow), ("deny", grant.deny)):
        for index, model in enumerate(names):
            yield Record(
                kind="grant",
                name=grant_name(subject, model),
                label=f"{grant.subject} {model}",
                path=f"{path}.{effect}[{index}]",
                parents=(key,),
                fields={"effect": effect, "model": model},
            )


def price_record(subject: Key, fields: Mapping[str, FieldValue], path: str = "") -> Record:
    """Return the record of a price of a model or a deployment."""
    name = place_name(
        subject[1], str(fields["meter"]), str(fields["tier"]), str(fields["above_tokens"]), str(fields["valid_from"])
    )
    return Record(kind="price", name=name, label=name, path=path, parents=(subject,), fields=fields)


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
