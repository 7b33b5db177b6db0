"""What `aqueduct doctor` finds missing in a configuration that is right in itself; calls nobody."""

from collections import defaultdict
from collections.abc import Iterator

from aqueduct.cli.checks import Finding
from aqueduct.config.grants import TargetKind
from aqueduct.config.records import Key, grant_target
from aqueduct.config.stored import Database

MAX_NAMED = 10


def prices(database: Database) -> Iterator[Finding]:
    """Look for models that cost nothing although costs are limited: what they use no budget holds back."""
    records = database.stored.records.values()
    budgets = sum(record.kind == "limit" and record.fields["metric"] == "cost" for record in records)
    if not budgets:
        return
    priced = {record.parents[0] for record in records if record.kind == "price"}
    lacking = {
        record.parents[0][1]
        for record in records
        if record.kind == "deployment"
        and record.fields["enabled"] is True
        and record.key not in priced
        and record.parents[0] not in priced
    }
    if lacking:
        text = (
            f"no budget counts what is used of {_named(lacking)}; `aqueduct prices import` or `prices:` gives them some"
        )
        yield Finding("prices", "warn", text)
    else:
        yield Finding("prices", "ok", "every model has some, as budgets need")


def teams(database: Database) -> Iterator[Finding]:
    """Look for users of no team, whom no team's limits and grants hold."""
    records = database.stored.records.values()
    members = {parent for record in records if record.kind == "membership" for parent in record.parents}
    for org in sorted((record for record in records if record.kind == "org"), key=lambda record: record.name):
        if org.fields["default_team"] is not None:
            continue
        alone = {
            record.name
            for record in records
            if record.kind == "user" and record.parents[0] == org.key and record.key not in members
        }
        if alone:
            advice = "set its `default_team`, or make members of them"
            text = f"the limits and grants of no team hold for {_named(alone)}: {advice}"
            yield Finding(f"org {org.name}", "warn", text)


def grants(database: Database) -> Iterator[Finding]:
    """Look for names that a scope allows and a wider one does not: a narrower scope can only narrow."""
    records = database.stored.records
    allowed: dict[tuple[Key, TargetKind], set[str]] = defaultdict(set)
    for record in records.values():
        if record.kind == "grant" and record.fields["effect"] == "allow":
            kind, name = grant_target(record)
            allowed[record.parents[0], kind].add(name)
    for (scope, kind), names in sorted(allowed.items()):
        for wider in _wider(database, scope):
            permitted = allowed.get((wider, kind))
            lost = {name for name in names if permitted and not any(_overlap(name, other) for other in permitted)}
            if lost:
                shown = f"{records[scope].kind} {records[scope].label}"
                text = f"of what it is allowed, the {records[wider].kind} {records[wider].label} does not allow"
                yield Finding(f"grants of {shown}", "warn", f"{text} {_named(lost)}: allow it there too")


def _wider(database: Database, scope: Key) -> Iterator[Key]:
    """Yield the scopes above one; of a user the org alone, because one of several teams is enough."""
    for parent in database.stored.records[scope].parents:
        yield parent
        yield from _wider(database, parent)


def _overlap(one: str, other: str) -> bool:
    """Whether some name matches both of two patterns, each a name or a beginning and `*`."""
    if one.endswith("*") and other.endswith("*"):
        return one.startswith(other[:-1]) or other.startswith(one[:-1])
    if one.endswith("*"):
        one, other = other, one
    return one.startswith(other[:-1]) if other.endswith("*") else one == other


def _named(names: set[str]) -> str:
    shown = sorted(names)[:MAX_NAMED]
    more = len(names) - len(shown)
    return ", ".join(f"'{name}'" for name in shown) + (f" and {more} more" if more else "")
