"""Metrics of limits; labels are a scope and a kind, never who was refused."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class LimitMetrics:
    """What limits did, and what they hold."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rejections = Counter(
            "aqueduct_limit_rejections",
            "Requests that a limit refused (kind shadow: would have).",
            ("scope", "kind"),
            registry=registry,
        )
        self.slack = Gauge(
            "aqueduct_limit_lease_slack",
            "Credits of limits that are held and not used.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.unreachable = Gauge(
            "aqueduct_limit_store_unreachable",
            "Workers that cannot reach the store of limits.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.overrun = Gauge(
            "aqueduct_limit_overrun",
            "Credits that settlements took beyond their reservations since the start.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def rejected(self, scope: str, kind: str) -> None:
        """Count a request that a limit refused: `requests`, `tokens`, `concurrency`, `cost`.

        Further kinds: `shadow` was let through by a limit that is only counted, `unreachable` could not be checked,
        `open` was let through for that reason.
        """
        self._rejections.labels(scope, kind).inc()
