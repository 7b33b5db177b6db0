"""Prometheus metrics of one process, merged over the workers of one instance; labels are bounded, never a token.

Several workers write into one directory of the instance (`PROMETHEUS_MULTIPROC_DIR`, set by `aqueduct serve` before
`Metrics` is made), so that whichever worker answers `/metrics` shows the sum.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from aqueduct.errors import ErrorType
from aqueduct.observability.families import FOLDER, Families
from aqueduct.observability.limit_metrics import LimitMetrics

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_BY_MODEL: Final = ("endpoint", "model")
_OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_TOKEN_TYPES: Final = ("input", "cached", "cache_write", "output", "reasoning", "audio_in", "audio_out")
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

RequestLabels = tuple[str, str, str, str, str]
TokenCounts = tuple[int, int, int, int, int, int, int]


class Metrics:
    """The metrics that requests move."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        made = Families(self.registry)
        names = ("endpoint", "model", "provider", "status", "error_type")
        self._requests = made.counter("aqueduct_requests", "Requests by outcome.", names)
        self._durations = made.histogram(
            "aqueduct_request_duration_seconds", "Time to the end of the answer.", _BY_MODEL, _SECONDS
        )
        self._first = made.histogram(
            "aqueduct_time_to_first_token_seconds", "Time to the first content.", _BY_MODEL, _SECONDS
        )
        self._overhead = made.histogram(
            "aqueduct_overhead_seconds", "Time that was not spent upstream.", _BY_MODEL, _OVERHEAD_SECONDS
        )
        self._tokens = made.counter("aqueduct_tokens", "Tokens by type.", ("model", "type"))
        self._attempts = made.counter("aqueduct_upstream_attempts", "Upstream attempts.", ("deployment", "outcome"))
        self._sources = made.counter("aqueduct_usage_source", "Where usage came from.", ("source",))
        self._costs = made.counter("aqueduct_cost", "Cost by model.", ("model", "currency"))
        self._violations = made.counter("aqueduct_usage_violations", "Usage rows whose counters contradict each other.")
        self._rows = made.counter("aqueduct_usage_rows", "Usage rows by result.", ("result",))
        self.limits = LimitMetrics(made)
        self.inflight = made.gauge("aqueduct_inflight", "Requests in work.", "livesum")
        self.spool_records = made.gauge("aqueduct_usage_spool_records", "Usage rows not yet written.", "livesum")
        self.spool_oldest = made.gauge(
            "aqueduct_usage_spool_oldest_seconds", "How long the oldest usage row has waited.", "livemax"
        )
        self.policy_staleness = made.gauge(
            "aqueduct_policy_staleness_seconds", "Age of the catalog's last proof of being current.", "livemax"
        )
        self._unmapped = made.counter(
            "aqueduct_unmapped_finish_reason", "Finish reasons of providers that nobody knows.", ("provider", "value")
        )
        self._schema_checks = made.counter(
            "aqueduct_schema_checks", "Answers held against the client's schema.", ("model", "outcome")
        )
        self._missing = made.counter(
            "aqueduct_missing_signatures",
            "Requests to a provider without the signed reasoning that it wants back.",
            ("provider",),
        )
        self._missing_shown: dict[str, int] = {}
        self._vault = made.counter("aqueduct_signature_vault", "What became of signatures in the vault.", ("result",))
        self._unmapped_shown: dict[tuple[str, str], int] = {}
        self._token_labels: dict[str, tuple[tuple[str, str], ...]] = {}

    def request(self, labels: RequestLabels, duration_s: float, first_s: float | None, overhead_s: float) -> None:
        """Count a request at its end. `labels`: endpoint, model, provider, status, error type (`""`: none)."""
        self._requests.add(labels)
        by_model = labels[:2]
        self._durations.observe(by_model, duration_s)
        if first_s is None:
            self._first.begin(by_model)
        else:
            self._first.observe(by_model, first_s)
        self._overhead.observe(by_model, overhead_s)

    def tokens(self, model: str, counts: TokenCounts, source: str) -> None:
        """Count tokens by type: input, cached, cache write, output, reasoning, audio in and out."""
        labels = self._token_labels.get(model)
        if labels is None:
            labels = self._token_labels[model] = tuple((model, kind) for kind in _TOKEN_TYPES)
            for each in labels:
                self._tokens.add(each, 0)
        for place, count in enumerate(counts):
            if count > 0:
                self._tokens.add(labels[place], count)
        self._sources.add((source,))

    def cost(self, model: str, currency: str, amount: float) -> None:
        """Add a cost in units of the currency. The counter is for graphs; what is owed stands in the usage rows."""
        self._costs.add((model, currency), amount)

    def violation(self) -> None:
        """Count a usage row that breaks an invariant."""
        self._violations.add()

    def attempt(self, deployment: str, outcome: str) -> None:
        """Count an upstream attempt; `outcome` is `ok` or an `ErrorKind`."""
        self._attempts.add((deployment, outcome))

    def schema_check(self, model: str, outcome: str) -> None:
        """Count a check: `valid`, `invalid`, `repaired` or `unknown`."""
        self._schema_checks.add((model, outcome))

    def unmapped_finish_reasons(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Take the counts since the process began, by adapter and the provider's word."""
        for key, count in counts.items():
            added = count - self._unmapped_shown.get(key, 0)
            if added:
                self._unmapped.add(key, added)
                self._unmapped_shown[key] = count

    def missing_signatures(self, counts: Mapping[str, int]) -> None:
        """Take the counts since the process began, by adapter."""
        for adapter, count in counts.items():
            added = count - self._missing_shown.get(adapter, 0)
            if added:
                self._missing.add((adapter,), added)
                self._missing_shown[adapter] = count

    def vault(self, result: str, count: int = 1) -> None:
        """Count states in the signature vault: `memory_hit`, `database_hit`, `miss`, `kept`, `expired`, ..."""
        if count > 0:
            self._vault.add((result,), count)

    def rows(self, result: str, count: int) -> None:
        """Count usage rows: `written`, `duplicate`, `unsettled` or `rejected`."""
        self._rows.add((result,), count)

    def exposition(self) -> bytes:
        """Return all metrics of the instance in Prometheus' text format."""
        folder = os.environ.get(FOLDER)
        if folder is None:
            return generate_latest(self.registry)
        forget_dead_workers(Path(folder))
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]  # the library has no annotation here
        return generate_latest(merged)


def forget_dead_workers(folder: Path) -> None:
    """Remove the gauges of workers that have ended; what they have counted stays, so that no counter jumps down."""
    for path in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(path.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except (PermissionError, ValueError):
            continue


def error_label(kind: ErrorType | None) -> str:
    """Return the `error_type` label."""
    return "" if kind is None else kind.value
