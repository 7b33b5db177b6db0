"""Counts the requests that went out without signed reasoning that their provider wants; knows no provider, no metric.

Process-wide, as metrics are. Whoever shows the counts reads `missing_signatures`, for
`aqueduct_missing_signatures_total{provider}`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

_counts: Final[Counter[str]] = Counter()


def note_missing(adapter: str) -> None:
    """Count a request whose tool calls had to go without their signature."""
    _counts[adapter] += 1


def missing_signatures() -> Mapping[str, int]:
    """Return the count of each adapter since the process began; only rising."""
    return dict(_counts)
