"""Metrics of limits; labels are a scope and a kind, never who was refused."""

from aqueduct.observability.families import Families


class LimitMetrics:
    """What limits did, and what they hold."""

    def __init__(self, made: Families) -> None:
        self._rejections = made.counter(
            "aqueduct_limit_rejections", "Requests that a limit refused (kind shadow: would have).", ("scope", "kind")
        )
        self.slack = made.gauge(
            "aqueduct_limit_lease_slack", "Credits of limits that are held and not used.", "livesum"
        )
        self.unreachable = made.gauge(
            "aqueduct_limit_store_unreachable", "Workers that cannot reach the store of limits.", "livesum"
        )
        self.overrun = made.gauge(
            "aqueduct_limit_overrun",
            "Credits that settlements took beyond their reservations since the start.",
            "livesum",
        )

    def rejected(self, scope: str, kind: str) -> None:
        """Count a request that a limit refused: `requests`, `tokens`, `concurrency`, `cost`.

        Further kinds: `shadow` was let through by a limit that is only counted, `unreachable` could not be checked,
        `open` was let through for that reason.
        """
        self._rejections.add((scope, kind))
