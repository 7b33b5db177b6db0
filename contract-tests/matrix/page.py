"""Writes the matrix of a run as a page and as JSON; knows nothing of pytest."""

import json
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from matrix.subjects import SUBJECTS

Result = Literal["pass", "unsupported", "fail"]
GROUPS = {
    "text": "Text",
    "turns": "Turns and system prompts",
    "stream": "Streaming",
    "tools": "Tools",
    "reasoning": "Reasoning",
    "structured": "Structured outputs",
    "parameters": "Parameters",
    "media": "Media in",
    "caching": "Prompt caching",
    "usage": "Usage",
    "errors": "Errors",
    "embeddings": "Embeddings",
    "models": "Models",
    "disconnect": "Disconnect",
}
HEAD = """# Conformance

What the run of the contract tests says, behaviour by behaviour and adapter by adapter: each row is a test that drives
the whole gateway in front of a mock of the provider ([how](../contract-tests/README.md)). The page is written by that
run (`make golden`) and a run that says something else fails; [conformance.json](conformance.json) has the same with the
tests' ids.

`yes`: the test passed. `n/a`: the provider has no such thing, for the reason in the footnote; the test passed that the
gateway refuses it, or leaves it out and names it in `x-aqueduct-dropped-params`. `NO`: the test fails.
"""


class Outcome(Struct, frozen=True, kw_only=True):
    """One cell. `reason` is why there is no such thing, or why it fails."""

    behaviour: str
    says: str
    subject: str
    result: Result
    test: str
    reason: str | None = None


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The page."""
    counts = [sum(outcome.result == kind for outcome in outcomes) for kind in ("pass", "unsupported", "fail")]
    rows = rows_of(outcomes)
    parts = [
        HEAD,
        "{} behaviours, {} adapters: {} hold, {} do not exist at the provider, {} fail.\n".format(
            len(rows), len(SUBJECTS), *counts
        ),
    ]
    notes: dict[str, int] = {}
    for group, title in GROUPS.items():
        named = {name: cells for name, cells in rows.items() if name.partition(".")[0] == group}
        if named:
            parts.append(f"## {title}\n\n{table(named, notes)}")
    if notes:
        parts.append("## Footnotes\n\n" + "\n".join(f"{number}. {text}" for text, number in notes.items()) + "\n")
    return "\n".join(parts)


def rows_of(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Outcome]]:
    """Cells by behaviour and adapter, in the order in which the tests stand."""
    rows: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.behaviour, {})[outcome.subject] = outcome
    strangers = {name.partition(".")[0] for name in rows} - GROUPS.keys()
    if strangers:
        raise ValueError(f"there are no groups {sorted(strangers)}")
    return rows


def table(rows: dict[str, dict[str, Outcome]], notes: dict[str, int]) -> str:
    """One group's table; reasons go to the notes."""
    lines = ["| | " + " | ".join(subject.title for subject in SUBJECTS) + " |", "|---" * (len(SUBJECTS) + 1) + "|"]
    for name, cells in rows.items():
        says = next(iter(cells.values())).says
        shown = (cell(cells.get(subject.name), notes) for subject in SUBJECTS)
        lines.append(f"| {says} (`{name}`) | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def cell(outcome: Outcome | None, notes: dict[str, int]) -> str:
    """One cell; a footnote gives the reason."""
    if outcome is None:
        return ""
    if outcome.result == "pass":
        return "yes"
    text = outcome.reason or ""
    if outcome.result == "fail":
        text = f"`{outcome.test}`" + (f": {text}" if text else "")
    number = notes.setdefault(text, len(notes) + 1)
    return f"{'NO' if outcome.result == 'fail' else 'n/a'} [{number}](#footnotes)"


def as_json(outcomes: Sequence[Outcome]) -> str:
    """The same for programs, a line for each behaviour. A test's id is that of its row and the adapter in brackets."""
    adapters = json.dumps({subject.name: subject.title for subject in SUBJECTS}, ensure_ascii=False)
    rows = [
        {
            "name": name,
            "says": next(iter(cells.values())).says,
            "test": next(iter(cells.values())).test.partition("[")[0],
            "results": {subject: entry(outcome) for subject, outcome in cells.items()},
        }
        for name, cells in rows_of(outcomes).items()
    ]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{"adapters": {adapters},\n"behaviours": [\n{lines}\n]}}\n'


def entry(outcome: Outcome) -> dict[str, str]:
    """One cell."""
    found: dict[str, str] = {"result": outcome.result}
    return found if outcome.reason is None else {**found, "reason": outcome.reason}
