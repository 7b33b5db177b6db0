"""What a file would change: two sets of records compared, references resolved; must not know SQL or the environment.

A plan is either complete or refused with every problem that it met: nothing is half applied.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, Literal, Protocol

from msgspec import Struct

from aqueduct.config.document import DEFAULT_PER, DEFAULT_QUIRKS, STORED_SECRET
from aqueduct.config.grants import NOUNS
from aqueduct.config.prices import plain
from aqueduct.config.problems import ConfigError
from aqueduct.config.records import ALL, KINDS, FieldValue, Key, Kind, Record, Stored, Wanted, grant_target, texts
from aqueduct.config.source import Source
from aqueduct.limits.price import MICROS_PER_UNIT

Action = Literal["create", "change", "delete"]
_SECTION_KINDS: Final = frozenset(
    {"org", "membership", "token", "provider", "model", "MCP server", "grant", "limit", "price"}
)

_USUAL: Final[dict[str, FieldValue]] = {
    "enabled": True,
    "extra_params": "drop",
    "multiple_answers": "auto",
    "schema_check": "report",
    "quirks": DEFAULT_QUIRKS,
    "weight": 1,
    "request_weight": 1,
    "mode": "enforce",
    "each": "subject",
    "per": DEFAULT_PER,
    "admin": False,
    "priority": 0,
}
"""Values that go without saying when something is created."""
_NOTHING: Final[tuple[FieldValue, ...]] = (None, "", ())
_IN_LABEL: Final = frozenset(
    {
        ("deployment", "upstream_model"),
        ("grant", "model"),
        ("grant", "mcp_server"),
        ("token", "name"),
        *(("limit", name) for name in ("metric", "window", "calendar", "model", "each")),
        *(("price", name) for name in ("meter", "tier", "above_tokens", "valid_from")),
    }
)


class SecretCheck(Protocol):
    """Compares a credential in the file with the one that is stored."""

    def is_stored(self, owner: Key, slot: str, literal: str) -> bool:
        """Return whether the database holds exactly this; raises ValueError, with what to do, if unable to."""
        ...


class FieldChange(Struct, frozen=True):
    """One field before and after, as people read it; values that may be confidential are not shown."""

    name: str
    before: str
    after: str


class Change(Struct, frozen=True, kw_only=True):
    """One row to create, change or delete."""

    action: Action
    record: Record
    fields: tuple[FieldChange, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """Changes in the order in which they can be made; `kept` is what `--prune` would delete."""

    changes: tuple[Change, ...]
    kept: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the database is already as the file says."""
        return not self.changes


def make_plan(source: Source, wanted: Wanted, stored: Stored, secrets: SecretCheck, *, prune: bool) -> Plan:
    """Compare what the file asks for with what is stored; raises `ConfigError`.

    Only what the file lists in full can be pruned: a section that is absent is left alone. A token that was revoked
    or replaced stays so.
    """
    asked, notes = _without_retired(wanted, stored)
    extra = {key: record for key, record in stored.records.items() if key not in asked and _is_listed(record, wanted)}
    removed = _with_children(extra, stored.records) if prune else {}
    after = {**{key: record for key, record in stored.records.items() if key not in removed}, **asked}
    problems = list(_problems(asked.values(), stored.records, after))
    changes: list[Change] = []
    for record in sorted(asked.values(), key=_order):
        before = stored.records.get(record.key)
        problems.extend(_secret_problems(before, record, secrets))
        if not problems:
            changes.extend(_compare(before, record, secrets))
    problems.extend(_orphaned_grants(removed, after, asked))
    if problems:
        found = (source.problem(path, reason) for path, reason in problems)
        raise ConfigError(source.file, tuple(sorted(found, key=lambda problem: problem.line)))
    gone = sorted(removed.values(), key=_order, reverse=True)
    changes.extend(Change(action="delete", record=record) for record in gone)
    kept = () if prune else tuple(sorted(extra.values(), key=_order))
    return Plan(changes=tuple(changes), kept=kept, notes=notes)


def _order(record: Record) -> int:
    return KINDS.index(record.kind)


def _without_retired(wanted: Wanted, stored: Stored) -> tuple[dict[Key, Record], tuple[str, ...]]:
    retired = {("token", sha256) for sha256 in stored.retired}
    notes = tuple(
        f"the token '{record.label}' {stored.retired[record.name]} and stays so; remove it from the file"
        for record in wanted.records
        if record.key in retired
    )
    asked = {
        record.key: record
        for record in wanted.records
        if record.key not in retired and retired.isdisjoint(record.parents)
    }
    return asked, notes


def _is_listed(record: Record, wanted: Wanted) -> bool:
    if record.kind in _SECTION_KINDS:
        return (record.kind, ALL) in wanted.complete
    return any((record.kind, scope) in wanted.complete for scope in _scopes(record))


def _scopes(record: Record) -> Iterator[str]:
    """Yield the item of the file below which a nested record would be listed."""
    for kind, name in record.parents:
        if kind in {"org", "model"}:
            yield name
        elif kind == "team":
            yield name.partition("/")[0]


def _with_children(removed: Mapping[Key, Record], stored: Mapping[Key, Record]) -> dict[Key, Record]:
    """Return what is removed together with all that cannot exist without it."""
    found = dict(removed)
    for kind in KINDS:
        for key, record in stored.items():
            if record.kind == kind and any(parent in found for parent in record.parents):
                found[key] = record
    return found


def _compare(before: Record | None, after: Record, secrets: SecretCheck) -> Iterator[Change]:
    if before is None:
        fields = tuple(
            FieldChange(name, "", _shown_of(after, name))
            for name, value in after.fields.items()
            if value not in _NOTHING and value != _USUAL.get(name) and (after.kind, name) not in _IN_LABEL
        )
        yield Change(action="create", record=after, fields=fields)
        return
    rotated = any(not secrets.is_stored(after.key, slot, text) for slot, text in after.literal_secrets.items())
    changed = tuple(
        _field_change(name, before, after, rotated=rotated)
        for name, value in after.fields.items()
        if value != before.fields.get(name) or (rotated and name == _SECRET_FIELDS.get(after.kind))
    )
    if changed:
        yield Change(action="change", record=after, fields=changed)


_SECRET_FIELDS: Final[dict[Kind, str]] = {"provider": "secret", "MCP server": "headers"}


def _secret_problems(before: Record | None, after: Record, secrets: SecretCheck) -> Iterator[tuple[str, str]]:
    """Name the secrets that cannot be kept or are not there to be kept."""
    stored = {} if before is None else before.secrets
    for slot, shown in after.secrets.items():
        path = f"{after.path}.{slot if after.kind == 'provider' else f'headers.{slot}'}"
        literal = after.literal_secrets.get(slot)
        if literal is not None:
            try:
                secrets.is_stored(after.key, slot, literal)
            except ValueError as error:
                yield path, str(error)
        elif shown == STORED_SECRET and stored.get(slot) != STORED_SECRET:
            what = f"key is stored for this {after.kind}" if after.kind == "provider" else "such header is stored"
            yield path, f"no {what}; write env:NAME or the value itself instead of {STORED_SECRET}"


def _field_change(name: str, before: Record, after: Record, *, rotated: bool) -> FieldChange:
    if name == "secret" and rotated:
        return FieldChange(name, _shown_of(before, name), "(new key)")
    shown = FieldChange(name, _shown_of(before, name), _shown_of(after, name))
    return shown if shown.before != shown.after else FieldChange(name, shown.before, f"{shown.after} (new values)")


def _shown_of(record: Record, name: str) -> str:
    """Return a field for people: a budget in units of the currency, as the file has it."""
    value = record.fields.get(name)
    if record.kind == "limit" and name == "amount" and record.fields["metric"] == "cost":
        return plain(Decimal(str(value)) / MICROS_PER_UNIT)
    return _shown(value)


def _shown(value: FieldValue) -> str:
    """Return a value for people; of texts by name only the names, for values may be confidential."""
    if value is None or value == ():
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(entry if isinstance(entry, str) else entry[0] for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _problems(
    asked: Iterable[Record], stored: Mapping[Key, Record], after: Mapping[Key, Record]
) -> Iterator[tuple[str, str]]:
    names = _model_names(after.values())
    for record in asked:
        for parent in record.parents:
            if parent not in after:
                yield _reference_path(record, parent[0]), _other_name(parent, names) or _missing(parent)
        before = stored.get(record.key)
        if record.kind == "user" and before is not None and before.parents != record.parents:
            yield f"{record.path}.email", f"this user belongs to the organisation '{before.parents[0][1]}' already"
        yield from _kind_problems(record, after, names)


def _orphaned_grants(
    removed: Mapping[Key, Record], after: Mapping[Key, Record], asked: Mapping[Key, Record]
) -> Iterator[tuple[str, str]]:
    """Refuse to delete what a stored grant names: an `allow` that went with it would open all else to its subject."""
    names = _model_names(after.values())
    for grant in after.values():
        if grant.kind != "grant" or grant.key in asked:
            continue
        kind, name = grant_target(grant)
        noun = NOUNS[kind]
        if (noun, name) in removed and any(_target_problems(grant, after, names)):
            named = f"the {noun} '{name}' would be deleted, but the grant '{grant.label}' names it"
            yield f"{kind}s", f"{named}; give the key 'grants' too, without it"


def _kind_problems(
    record: Record, after: Mapping[Key, Record], names: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    if record.kind == "org":
        team = record.fields["default_team"]
        if team is not None and ("team", f"{record.name}/{team}") not in after:
            yield f"{record.path}.default_team", f"there is no team '{team}' in this organisation"
    elif record.kind == "membership":
        user, team_record = (after.get(parent) for parent in record.parents)
        if user is not None and team_record is not None and user.parents != team_record.parents:
            yield f"{record.path}.user", f"this user belongs to another organisation, '{user.parents[0][1]}'"
    elif record.kind == "model":
        for name in _names_of(record):
            others = [model for model in names[name] if model != record.name]
            if others:
                yield record.path, f"the name '{name}' is taken by the model '{others[0]}'"
    elif record.kind in {"grant", "limit"}:
        yield from _target_problems(record, after, names)


def _target_problems(
    record: Record, after: Mapping[Key, Record], names: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    server = record.fields.get("mcp_server")
    if server is not None and not str(server).endswith("*") and ("MCP server", str(server)) not in after:
        yield record.path, f"there is no MCP server '{server}', in this file or in the database"
    named = record.fields["model"]
    if named is None or str(named).endswith("*"):
        return
    model = str(named)
    path = f"{record.path}.model" if record.kind == "limit" else record.path
    owners = names.get(model, ())
    if owners and model not in owners:
        yield path, f"'{model}' is an alias; name the model itself, '{owners[0]}'"
    elif not owners and not _wildcards_over(model, names):
        yield path, f"there is no model '{model}', in this file or in the database"


def _wildcards_over(model: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith("*") and model.startswith(name[:-1])]


def _other_name(parent: Key, names: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return what to write instead of a model's name that is no model's own."""
    kind, name = parent
    if kind != "model":
        return None
    if name in names:
        return f"'{name}' is an alias; name the model itself, '{names[name][0]}'"
    covering = _wildcards_over(name, names)
    if not covering:
        return None
    return f"'{name}' is no model of its own; name '{covering[0]}', which covers it, or give it a place under 'models'"


def _model_names(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Return every name and alias with the models that claim it."""
    names: dict[str, tuple[str, ...]] = {}
    for record in records:
        if record.kind == "model":
            for name in _names_of(record):
                names[name] = (*names.get(name, ()), record.name)
    return names


def _names_of(model: Record) -> tuple[str, ...]:
    return (model.name, *texts(model.fields["aliases"]))


_PARENT_FIELDS: Final[dict[tuple[Kind, Kind], str]] = {
    ("membership", "team"): ".team",
    ("membership", "user"): ".user",
    ("service account", "team"): ".team",
    ("deployment", "provider"): ".provider",
    ("price", "model"): ".model",
    ("price", "deployment"): ".provider",
    ("token", "user"): ".owner",
    ("token", "team"): ".owner",
    ("token", "service account"): ".owner",
}


def _reference_path(record: Record, parent: Kind) -> str:
    if record.kind == "limit":
        return f"{record.path}.subject"
    if record.kind == "grant":
        return record.path.rpartition(".")[0] + ".subject"
    return record.path + _PARENT_FIELDS.get((record.kind, parent), "")


def _missing(parent: Key) -> str:
    kind, name = parent
    if kind == "token":
        return f"there is no token '{name}', or there are several of that name: write token:sha256:HASH"
    return f"there is no {kind} '{name}', in this file or in the database"
