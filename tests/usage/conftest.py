"""The recorder on a journal of its own."""

import time
from pathlib import Path

import pytest

from aqueduct.observability.metrics import Metrics
from aqueduct.usage.journal import Journal
from aqueduct.usage.recorder import JOURNAL_COLUMNS, Recorder
from tests.usage.recording import Build, Database


@pytest.fixture
def recorder(tmp_path: Path) -> Build:
    def build(
        database: Database,
        metrics: Metrics,
        *,
        max_bytes: int = 10**9,
        flush_s: float = 0.02,
        flush_rows: int = 100,
    ) -> Recorder:
        journal = Journal(tmp_path / "journal", JOURNAL_COLUMNS, max_bytes=max_bytes, now=time.time)
        return Recorder(database, metrics, journal, flush_s=flush_s, flush_rows=flush_rows)

    return build
