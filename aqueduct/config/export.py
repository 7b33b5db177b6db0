"""Stored records written as a file that `apply` accepts and finds nothing to change in; knows no secret."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from aqueduct.config import document as doc
from aqueduct.config.prices import valid_from_text
from aqueduct.config.records import Kind, Record, Stored, grant_target, pairs, texts
from aqueduct.config.rules import is_calendar
from aqueduct.limits.price import MICROS_PER_UNIT
from aqueduct.usage.pricing import Meter, Tier

HEAD: Final = (
    "# Written by `aqueduct export`. Secrets are not in this file: env:NAME names a variable, and\n"
    f"# {doc.STORED_SECRET} leaves the key that is encrypted in the database as it is.\n"
)
ItemT = TypeVar("ItemT")


def to_yaml(document: doc.Document) -> str:
    """Return a document as YAML, without keys that have their default."""
    if document == doc.Document():
        return f"{HEAD}orgs: []\n"
    return HEAD + yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True, width=120)


def to_document(stored: Stored) -> doc.Document:
    """Return what is stored as a document, each list in a stable order."""
    view = _View(stored)
    return doc.Document(
        orgs=_listed(view.orgs()),
        memberships=_listed(view.memberships()),
        tokens=_listed(view.tokens()),
        providers=_listed(view.providers()),
        models=_listed(view.models()),
        mcp_servers=_listed(view.mcp_servers()),
        grants=_listed(view.grants()),
        limits=_listed(view.limits()),
        prices=_listed(view.prices()),
    )


def _listed(found: Iterator[ItemT]) -> tuple[ItemT, ...] | UnsetType:
    return tuple(found) or UNSET


class _Fields:
    """A record's fields, each with the type that its kind gives it."""

    def __init__(self, record: Record) -> None:
        self._fields = record.fields

    def text(self, name: str) -> str:
        return str(self._fields[name])

    def text_or_none(self, name: str) -> str | None:
        value = self._fields[name]
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int:
        value = self._fields[name]
        return value if isinstance(value, int) else 0

    def number_or_none(self, name: str) -> int | None:
        value = self._fields[name]
        return value if isinstance(value, int) else None

    def seconds_or_none(self, name: str) -> float | None:
        value = self._fields[name]
        return value if isinstance(value, float | int) else None

    def flag(self, name: str) -> bool:
        return self._fields[name] is True

    def flag_or_none(self, name: str) -> bool | None:
        value = self._fields[name]
        return value if isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        return texts(self._fields[name])

    def mapping(self, name: str) -> dict[str, str]:
        return pairs(self._fields[name])


class _View:
    """The records by kind, in the order of their labels."""

    def __init__(self, stored: Stored) -> None:
        self._records = sorted(stored.records.values(), key=lambda record: (record.label, record.name))
        self._token_names = stored.tokens_by_name()
        self._by_key = stored.records

    def _of(self, kind: Kind, belongs: Callable[[Record], bool] = lambda _: True) -> Iterator[tuple[Record, _Fields]]:
        return ((record, _Fields(record)) for record in self._records if record.kind == kind and belongs(record))

    def orgs(self) -> Iterator[doc.Org]:
        for record, fields in self._of("org"):
            name = fields.text("name")
            yield doc.Org(
                slug=record.name,
                name=None if name == record.name else name,
                enabled=fields.flag("enabled"),
                default_team=fields.text_or_none("default_team"),
                terms=fields.text_or_none("terms"),
                teams=_listed(self._teams(record)),
                users=_listed(self._users(record)),
                service_accounts=_listed(self._service_accounts(record)),
            )

    def _teams(self, org: Record) -> Iterator[doc.Team]:
        for record, fields in self._of("team", lambda one: org.key in one.parents):
            yield doc.Team(
                name=record.name.partition("/")[2],
                cost_center=fields.text_or_none("cost_center"),
                enabled=fields.flag("enabled"),
            )

    def _users(self, org: Record) -> Iterator[doc.User]:
        for record, fields in self._of("user", lambda one: org.key in one.parents):
            yield doc.User(
                email=record.name,
                name=fields.text_or_none("name"),
                admin=fields.flag("admin"),
                enabled=fields.flag("enabled"),
            )

    def _service_accounts(self, org: Record) -> Iterator[doc.ServiceAccount]:
        for record, fields in self._of("service account", lambda one: one.name.startswith(f"{org.name}/")):
            team = record.parents[0][1]
            yield doc.ServiceAccount(
                name=record.name.removeprefix(f"{team}/"),
                team=team.partition("/")[2],
                enabled=fields.flag("enabled"),
            )

    def memberships(self) -> Iterator[doc.Membership]:
        for record, fields in self._of("membership"):
            (_, user), (_, team) = record.parents
            yield doc.Membership(team=team, user=user, admin=fields.flag("admin"))

    def tokens(self) -> Iterator[doc.Token]:
        for record, fields in self._of("token"):
            yield doc.Token(
                name=fields.text("name"),
                owner=fields.text("owner"),
                token=f"{doc.HASH_PREFIX}{record.name}",
                expires=_expires(fields.text_or_none("expires")),
            )

    def providers(self) -> Iterator[doc.Provider]:
        for record, fields in self._of("provider"):
            quirks = fields.text("quirks")
            yield doc.Provider(
                name=record.name,
                adapter=fields.text("adapter"),
                base_url=fields.text("base_url"),
                secret=fields.text_or_none("secret"),
                quirks=doc.DEFAULT_QUIRKS if quirks == doc.DEFAULT_QUIRKS else quirks,  # the same object is left out
                options=fields.mapping("options"),
                headers=fields.mapping("headers"),
                enabled=fields.flag("enabled"),
            )

    def models(self) -> Iterator[doc.Model]:
        for record, fields in self._of("model"):
            yield doc.Model(
                name=record.name,
                aliases=fields.texts("aliases"),
                operations=msgspec.convert(fields.texts("operations"), tuple[doc.Operation, ...]),
                context_window=fields.number_or_none("context_window"),
                max_output_tokens=fields.number_or_none("max_output_tokens"),
                request_weight=fields.number("request_weight"),
                extra_params=msgspec.convert(fields.text("extra_params"), doc.ExtraParams),
                signature_vault=fields.flag_or_none("signature_vault"),
                multiple_answers=msgspec.convert(fields.text("multiple_answers"), doc.MultipleAnswers),
                schema_check=msgspec.convert(fields.text("schema_check"), doc.SchemaCheck),
                auto_cache=msgspec.convert(fields.text_or_none("auto_cache"), doc.AutoCache | None),
                fetch_media=fields.flag_or_none("fetch_media"),
                max_queries=fields.number_or_none("max_queries"),
                max_seconds=fields.number_or_none("max_seconds"),
                owned_by=fields.text_or_none("owned_by"),
                deployments=_listed(self._deployments(record)),
                enabled=fields.flag("enabled"),
            )

    def _deployments(self, model: Record) -> Iterator[doc.Deployment]:
        own_name = "*" if model.name.endswith("*") else model.name
        for record, fields in self._of("deployment", lambda one: model.key in one.parents):
            upstream = fields.text("upstream_model")
            timeouts = doc.Timeouts(
                connect_s=fields.seconds_or_none("connect_s"),
                first_byte_s=fields.seconds_or_none("first_byte_s"),
                idle_s=fields.seconds_or_none("idle_s"),
            )
            yield doc.Deployment(
                provider=record.parents[1][1],
                upstream_model=None if upstream == own_name else upstream,
                priority=fields.number("priority"),
                weight=fields.number("weight"),
                timeouts=doc.NO_TIMEOUTS if timeouts == doc.NO_TIMEOUTS else timeouts,
                enabled=fields.flag("enabled"),
            )

    def mcp_servers(self) -> Iterator[doc.McpServer]:
        for record, fields in self._of("MCP server"):
            yield doc.McpServer(
                name=record.name,
                title=fields.text_or_none("title"),
                description=fields.text_or_none("description"),
                url=fields.text("url"),
                headers=fields.mapping("headers"),
                enabled=fields.flag("enabled"),
            )

    def grants(self) -> Iterator[doc.Grant]:
        subjects: dict[str, dict[tuple[str, str], list[str]]] = {}
        for record, fields in self._of("grant"):
            kind, name = grant_target(record)
            subjects.setdefault(self._subject(record), {}).setdefault((kind, fields.text("effect")), []).append(name)
        for subject, targets in subjects.items():
            yield doc.Grant(
                subject=subject,
                allow=tuple(targets.get(("model", "allow"), ())),
                deny=tuple(targets.get(("model", "deny"), ())),
                allow_mcp_servers=tuple(targets.get(("mcp_server", "allow"), ())),
                deny_mcp_servers=tuple(targets.get(("mcp_server", "deny"), ())),
            )

    def limits(self) -> Iterator[doc.Limit]:
        for record, fields in self._of("limit"):
            metric = msgspec.convert(fields.text("metric"), doc.Metric)
            window = msgspec.convert(fields.text_or_none("window"), doc.Window | None)
            calendar = fields.flag("calendar")
            limit = doc.Limit(
                subject=self._subject(record),
                metric=metric,
                amount=_units(fields.number("amount")) if metric == "cost" else fields.number("amount"),
                window=window,
                model=fields.text_or_none("model"),
                mode="shadow" if fields.text("mode") == "shadow" else "enforce",
                each="member" if fields.text("each") == "member" else "subject",
            )
            yield limit if is_calendar(limit) == calendar else msgspec.structs.replace(limit, calendar=calendar)

    def prices(self) -> Iterator[doc.Price]:
        for record, fields in self._of("price"):
            subject = self._by_key[record.parents[0]]
            per = fields.number("per")
            deployed = subject.kind == "deployment"
            model = subject.parents[0][1] if deployed else subject.name
            upstream = str(subject.fields["upstream_model"]) if deployed else None
            yield doc.Price(
                model=model,
                provider=subject.parents[1][1] if deployed else None,
                upstream_model=None if upstream == ("*" if model.endswith("*") else model) else upstream,
                meter=msgspec.convert(fields.text("meter"), Meter),
                amount=fields.text("amount"),
                per=doc.DEFAULT_PER if per == doc.DEFAULT_PER else per,  # the same object is left out
                tier=msgspec.convert(fields.text("tier"), Tier),
                above_tokens=fields.number("above_tokens"),
                valid_from=valid_from_text(fields.text("valid_from")),
            )

    def _subject(self, grant: Record) -> str:
        kind, name = grant.parents[0]
        if kind != "token":
            return f"{'service' if kind == 'service account' else kind}:{name}"
        label = self._by_key["token", name].label
        return f"token:{label if self._token_names.get(label) == name else doc.HASH_PREFIX + name}"


def _units(micros: int) -> int | float:
    """Return money in units of the currency; a `float` of six decimals is written as it was read."""
    return micros // MICROS_PER_UNIT if micros % MICROS_PER_UNIT == 0 else float(Decimal(micros) / MICROS_PER_UNIT)


def _expires(text: str | None) -> str | None:
    """Return the end of a day as its date, which reads better."""
    if text is None:
        return None
    when = datetime.fromisoformat(text)
    return when.date().isoformat() if (when.hour, when.minute, when.second) == (23, 59, 59) else text
