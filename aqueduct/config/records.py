"""A configuration as flat records, one per row of the database, so that two of them can be compared.

The file and the database are both brought into this form; it must not know where a record came from beyond its path.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from aqueduct.config.grants import TARGET_KINDS, Effect, TargetKind, target_name
from aqueduct.config.prices import place_name

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
    "MCP server",
    "grant",
    "limit",
    "price",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In the order in which they can be created: none refers to a later one, an org's default team excepted."""

FieldValue = str | int | float | bool | tuple[str, ...] | tuple[tuple[str, str], ...] | None
Key = tuple[Kind, str]
"""The kind, and what identifies the thing among its kind; see `record_key` for how names combine."""


class Record(Struct, frozen=True, kw_only=True):
    """One thing of the configuration.

    `label` is for people, `path` says where in the file it stands (empty: it is in the database). `parents` are what
    it cannot exist without. `literal_secrets` are credentials as the file has them, by their slot, and never shown.
    """

    kind: Kind
    name: str
    label: str
    fields: Mapping[str, FieldValue]
    parents: tuple[Key, ...] = ()
    path: str = ""
    literal_secrets: Mapping[str, str] = {}

    @property
    def key(self) -> Key:
        """What identifies the record."""
        return self.kind, self.name

    @property
    def secrets(self) -> dict[str, str]:
        """What may be said of its secrets, by slot (of an MCP server: its headers): `env:NAME` or `<stored>`."""
        if self.kind == "MCP server":
            return pairs(self.fields["headers"])
        secret = self.fields.get("secret")
        return {"secret": secret} if isinstance(secret, str) else {}


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


def team_key(reference: str) -> Key:
    """Return the key of the team `org/team`."""
    return "team", reference


def owner_key(owner: str) -> Key:
    """Return the key that `user:EMAIL`, `team:ORG/TEAM`, `service:ORG/TEAM/NAME` or `org:SLUG` stands for."""
    form, _, name = owner.partition(":")
    kinds: dict[str, Kind] = {"user": "user", "team": "team", "service": "service account", "org": "org"}
    return kinds[form], name.lower() if form == "user" else name


def grant_record(subject: tuple[Key, str, str], target: tuple[TargetKind, str], effect: Effect, path: str) -> Record:
    """Return the record of a grant. A subject has its key, its name (of a token: its hash), and what people read."""
    key, name, shown = subject
    kind, target_of = target
    what = target_name(kind, target_of)
    targets: dict[str, FieldValue] = {one: target_of if one == kind else None for one in TARGET_KINDS}
    return Record(
        kind="grant",
        name=f"{name} {what}",
        label=f"{shown} {what}",
        path=path,
        parents=(key,),
        fields={"effect": effect, **targets},
    )


def grant_target(grant: Record) -> tuple[TargetKind, str]:
    """Return what a grant is about: the kind of thing, and its name or pattern."""
    for kind in TARGET_KINDS:
        name = grant.fields[kind]
        if isinstance(name, str):
            return kind, name
    raise LookupError(grant.name)


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


def price_record(subject: Key, fields: Mapping[str, FieldValue], path: str = "") -> Record:
    """Return the record of a price of a model or a deployment."""
    name = place_name(
        subject[1], str(fields["meter"]), str(fields["tier"]), str(fields["above_tokens"]), str(fields["valid_from"])
    )
    return Record(kind="price", name=name, label=name, path=path, parents=(subject,), fields=fields)
