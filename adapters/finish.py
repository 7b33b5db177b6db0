"""Counts the finish reasons that no adapter knows, for the metric that tells of them; knows no provider and no metric.

Process-wide, as metrics are: the words are the providers', so neither they nor their number can be trusted. Whoever
shows the counts reads `unmapped`, for `aqueduct_unmapped_finish_reason_total{provider,value}`.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

MAX_VALUES: Final = 64
OTHER: Final = "_OTHER"
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_counts: Final[Counter[tuple[str, str]]] = Counter()


def note_unmapped(adapter: str, native: str | None) -> None:
    """Count a finish reason that was taken for `stop` because nobody knows it; nothing where there is none."""
    if not native:
        return
    key = (adapter, native if _WORD.fullmatch(native) else OTHER)
    if key not in _counts and len(_counts) >= MAX_VALUES:
        key = (adapter, OTHER)
    _counts[key] += 1


def unmapped() -> Mapping[tuple[str, str], int]:
    """Return how often each `(adapter, finish reason)` was met since the process began; few, and only rising."""
    return dict(_counts)
