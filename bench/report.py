"""Makes docs/benchmark.md from measurements; must not measure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

Costs = Mapping[str, Mapping[str, Sequence[float]]]
"""Microseconds of CPU by gateway, then by workload, one per round, the rounds in the same order for all."""

REFERENCE: Final = "TensorZero"
WORKLOADS: Final = {
    "plain": "unstreamed, us a request",
    "paced": "50 chunks paced at 20 ms, us a stream",
    "burst": "50 chunks in one burst, us a stream",
}


def cell(values: Sequence[float], reference: Sequence[float]) -> str:
    """Return median and range, and the median of the ratios to the reference's value of the same round.

    What disturbs a machine disturbs neighbours of one round alike; two medians may be of rounds far apart.
    """
    if not values:
        return "did not answer rightly"
    text = f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"
    if not reference:
        return text
    ratios = [value / other for value, other in zip(values, reference, strict=True)]
    return f"{text}, x{statistics.median(ratios):.2f}"


def table(costs: Costs, absent: Mapping[str, str]) -> str:
    """Return the table of results; a gateway without results has the reason instead."""
    lines = ["| gateway | " + " | ".join(WORKLOADS.values()) + " |", "|---" * (len(WORKLOADS) + 1) + "|"]
    reference = costs.get(REFERENCE, {})
    for name, measured in costs.items():
        cells = (cell(measured.get(kind, ()), reference.get(kind, ())) for kind in WORKLOADS)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    empty = "| " * (len(WORKLOADS) - 1)
    lines += [
        f"| {name} | not measured: {' '.join(why.split()).replace('|', '/')} {empty}|" for name, why in absent.items()
    ]
    return "\n".join(lines)
