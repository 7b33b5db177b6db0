"""What rollups add up, and SQL that adds up by several sets of keys at once; knows no table."""

from collections.abc import Mapping, Sequence
from typing import Final

from aqueduct.db.names import ROLLUP_SUMS

ADDED: Final = (*ROLLUP_SUMS, "cost")
"""The columns of every rollup that are added up."""


def summed(names: Sequence[str] = ADDED, table: str = "") -> str:
    """Return the list of the sums of columns, under their own names; `table` names where they stand."""
    place = f"{table}." if table else ""
    return ", ".join(f"{'sum' if name == 'cost' else 'usage.total'}({place}{name}) AS {name}" for name in names)


def grouping_sets(kinds: Mapping[str, Sequence[str]]) -> str:
    """Return the `GROUP BY` of all kinds at once, each by its columns."""
    sets = [f"({', '.join(columns)})" for columns in kinds.values()]
    return f"GROUP BY GROUPING SETS ({', '.join(sets)})"


def kind_of_set(kinds: Mapping[str, Sequence[str]]) -> str:
    """Return the expression that names the kind of a row that `grouping_sets` gives."""
    names = list(dict.fromkeys(column for columns in kinds.values() for column in columns))
    cases = " ".join(f"WHEN {_mask(names, columns)} THEN '{kind}'" for kind, columns in kinds.items())
    return f"CASE grouping({', '.join(names)}) {cases} END"


def added_to(row: str = "r") -> str:
    """Return what an upsert sets: what was there and what is added."""
    return ", ".join(f"{name} = {row}.{name} + excluded.{name}" for name in ADDED)


def _mask(names: Sequence[str], columns: Sequence[str]) -> int:
    """Return what PostgreSQL's `grouping` says of a grouping set: a bit for each column that is not in it."""
    return int("".join("0" if name in columns else "1" for name in names), 2)
