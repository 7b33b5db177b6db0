"""Counts what adapters meet and no answer tells, for metrics; knows no provider and no metric.

Process-wide, as metrics are. Whoever shows the counts reads `unmapped`, for
`aqueduct_unmapped_finish_reason_total{provider,value}`, and `missing_signatures`, for
`aqueduct_missing_signatures_total{provider}`. Finish reasons are the providers' words: neither they nor their number
can be trusted.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

MAX_VALUES: Final = 64
OTHER: Final = "_OTHER"
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_unmapped: Final[Counter[tuple[str, str]]] = Counter()
_missing_signatures: Final[Counter[str]] = Counter()


def note_unmapped(adapter: str, native: str | None) -> None:
    """Count a finish reason that was taken for `stop` because nobody knows it; nothing where there is none."""
    if not native:
        return
    key = (adapter, native if _WORD.fullmatch(native) else OTHER)
    if key not in _unmapped and len(_unmapped) >= MAX_VALUES:
        key = (adapter, OTHER)
    _unmapped[key] += 1


def unmapped() -> Mapping[tuple[str, str], int]:
    """Return how often each `(adapter, finish reason)` was met since the process began; few, and only rising."""
    return dict(_unmapped)


def note_missing_signature(adapter: str) -> None:
    """Count a request whose tool calls had to go without their signature."""
    _missing_signatures[adapter] += 1


def missing_signatures() -> Mapping[str, int]:
    """Return the count of each adapter since the process began; only rising."""
    return dict(_missing_signatures)
