"""What `aqueduct doctor` finds missing in a configuration that is right in itself: prices and teams; calls nobody."""

from collections.abc import Iterator

from aqueduct.cli.checks import Finding
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


def _named(names: set[str]) -> str:
    shown = sorted(names)[:MAX_NAMED]
    more = len(names) - len(shown)
    return ", ".join(f"'{name}'" for name in shown) + (f" and {more} more" if more else "")
