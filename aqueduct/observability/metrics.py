"""Prometheus metrics of one process, merged over the workers of one instance; labels are bounded, never a token.

Several workers write into one directory of the instance (`PROMETHEUS_MULTIPROC_DIR`, set by `aqueduct serve` before
this module is imported), so that whichever worker answers `/metrics` shows the sum.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from aqueduct.errors import ErrorType
from aqueduct.observability.limit_metrics import LimitMetrics

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_TOKEN_TYPES: Final = ("input", "cached", "cache_write", "output", "reasoning", "audio_in", "audio_out")
MAX_LABEL_SETS: Final = 10_000
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

RequestLabels = tuple[str, str, str, str, str]
TokenCounts = tuple[int, int, int, int, int, int, int]
# The library would add a second series to every counter, and only where there is one worker.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no annotation here


class Metrics:
    """The metrics that requests move. Children are kept by label values: looking them up costs 3 us each."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        names = ("endpoint", "model", "provider", "status", "error_type")
        self._requests = Counter("aqueduct_requests", "Requests by outcome.", names, registry=self.registry)
        self._durations = self._histogram("request_duration_seconds", "Time to the end of the answer.", _SECONDS)
        self._first = self._histogram("time_to_first_token_seconds", "Time to the first content.", _SECONDS)
        self._overhead = self._histogram("overhead_seconds", "Time that was not spent upstream.", _OVERHEAD_SECONDS)
        self._tokens = Counter("aqueduct_tokens", "Tokens by type.", ("model", "type"), registry=self.registry)
        self._attempts = Counter(
            "aqueduct_upstream_attempts", "Upstream attempts.", ("deployment", "outcome"), registry=self.registry
        )
        self._sources = Counter("aqueduct_usage_source", "Where usage came from.", ("source",), registry=self.registry)
        self._costs = Counter("aqueduct_cost", "Cost by model.", ("model", "currency"), registry=self.registry)
        self._violations = Counter(
            "aqueduct_usage_violations", "Usage rows whose counters contradict each other.", registry=self.registry
        )
        self._rows = Counter("aqueduct_usage_rows", "Usage rows by result.", ("result",), registry=self.registry)
        self.limits = LimitMetrics(self.registry)
        self.inflight = self._gauge("inflight", "Requests in work.", "livesum")
        self.spool_records = self._gauge("usage_spool_records", "Usage rows not yet written.", "livesum")
        self.spool_oldest = self._gauge(
            "usage_spool_oldest_seconds", "How long the oldest usage row has waited.", "livemax"
        )
        self.policy_staleness = self._gauge(
            "policy_staleness_seconds", "Age of the catalog's last proof of being current.", "livemax"
        )
        self._unmapped = self._counter(
            "unmapped_finish_reason", "Finish reasons of providers that nobody knows.", ("provider", "value")
        )
        self._schema_checks = self._counter(
            "schema_checks", "Answers held against the client's schema.", ("model", "outcome")
        )
        self._missing = self._counter(
            "missing_signatures",
            "Requests to a provider without the signed reasoning that it wants back.",
            ("provider",),
        )
        self._missing_shown: dict[str, int] = {}
        self._vault = Counter(
            "aqueduct_signature_vault", "What became of signatures in the vault.", ("result",), registry=self.registry
        )
        self._unmapped_shown: dict[tuple[str, str], int] = {}
        self._request_children: dict[RequestLabels, Counter] = {}
        self._time_children: dict[tuple[str, str], tuple[Histogram, Histogram, Histogram]] = {}
        self._token_children: dict[str, tuple[Counter, ...]] = {}
        self._attempt_children: dict[tuple[str, str], Counter] = {}
        self._source_children: dict[str, Counter] = {}

    def _gauge(self, name: str, text: str, mode: Literal["livesum", "livemax"]) -> Gauge:
        return Gauge(f"aqueduct_{name}", text, registry=self.registry, multiprocess_mode=mode)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"aqueduct_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"aqueduct_{name}", text, ("endpoint", "model"), buckets=buckets, registry=self.registry)

    def request(self, labels: RequestLabels, duration_s: float, first_s: float | None, overhead_s: float) -> None:
        """Count a request at its end. `labels`: endpoint, model, provider, status, error type (`""`: none)."""
        child = self._request_children.get(labels)
        if child is None:
            child = _kept(self._request_children, labels, self._requests.labels(*labels))
        child.inc()
        key = labels[:2]
        times = self._time_children.get(key)
        if times is None:
            made = (self._durations.labels(*key), self._first.labels(*key), self._overhead.labels(*key))
            times = _kept(self._time_children, key, made)
        times[0].observe(duration_s)
        if first_s is not None:
            times[1].observe(first_s)
        times[2].observe(overhead_s)

    def tokens(self, model: str, counts: TokenCounts, source: str) -> None:
        """Count tokens by type: input, cached, cache write, output, reasoning, audio in and out."""
        children = self._token_children.get(model)
        if children is None:
            made = tuple(self._tokens.labels(model, kind) for kind in _TOKEN_TYPES)
            children = _kept(self._token_children, model, made)
        for place, count in enumerate(counts):
            if count > 0:
                children[place].inc(count)
        by_source = self._source_children.get(source)
        if by_source is None:
            by_source = _kept(self._source_children, source, self._sources.labels(source))
        by_source.inc()

    def cost(self, model: str, currency: str, amount: float) -> None:
        """Add a cost in units of the currency. The counter is for graphs; what is owed stands in the usage rows."""
        self._costs.labels(model, currency).inc(amount)

    def violation(self) -> None:
        """Count a usage row that breaks an invariant."""
        self._violations.inc()

    def attempt(self, deployment: str, outcome: str) -> None:
        """Count an upstream attempt; `outcome` is `ok` or an `ErrorKind`."""
        key = (deployment, outcome)
        child = self._attempt_children.get(key)
        if child is None:
            child = _kept(self._attempt_children, key, self._attempts.labels(*key))
        child.inc()

    def schema_check(self, model: str, outcome: str) -> None:
        """Count a check: `valid`, `invalid`, `repaired` or `unknown`."""
        self._schema_checks.labels(model, outcome).inc()

    def unmapped_finish_reasons(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Take the counts since the process began, by adapter and the provider's word."""
        for key, count in counts.items():
            added = count - self._unmapped_shown.get(key, 0)
            if added:
                self._unmapped.labels(*key).inc(added)
                self._unmapped_shown[key] = count

    def missing_signatures(self, counts: Mapping[str, int]) -> None:
        """Take the counts since the process began, by adapter."""
        for adapter, count in counts.items():
            added = count - self._missing_shown.get(adapter, 0)
            if added:
                self._missing.labels(adapter).inc(added)
                self._missing_shown[adapter] = count

    def vault(self, result: str, count: int = 1) -> None:
        """Count states in the signature vault: `memory_hit`, `database_hit`, `miss`, `kept`, `expired`, ..."""
        if count > 0:
            self._vault.labels(result).inc(count)

    def rows(self, result: str, count: int) -> None:
        """Count usage rows: `written`, `duplicate`, `unsettled` or `rejected`."""
        self._rows.labels(result).inc(count)

    def exposition(self) -> bytes:
        """Return all metrics of the instance in Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
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


def _kept(children: dict[KeyT, ValueT], key: KeyT, child: ValueT) -> ValueT:
    if len(children) < MAX_LABEL_SETS:
        children[key] = child
    return child
