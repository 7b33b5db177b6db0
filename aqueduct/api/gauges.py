"""The gauges that show what a process holds at the moment; knows no request and no clock.

Each worker keeps its own current once a second, because any one of them answers `/metrics` for all.
"""

from adapters.counts import missing_signatures, unmapped
from aqueduct.api.gateway import Gateway


def publish_gauges(gateway: Gateway) -> None:
    """Show what the process holds now."""
    gateway.metrics.inflight.set(gateway.inflight)
    gateway.metrics.spool_records.set(gateway.recorder.waiting)
    gateway.metrics.spool_oldest.set(gateway.recorder.oldest_s)
    ledger = gateway.admission.leases.ledger
    gateway.metrics.limits.slack.set(ledger.slack)
    gateway.metrics.limits.overrun.set(ledger.overrun)
    gateway.metrics.limits.unreachable.set(not gateway.admission.leases.is_reachable)
    gateway.metrics.policy_staleness.set(gateway.catalog.staleness_s)
    gateway.metrics.unmapped_finish_reasons(unmapped())
    gateway.metrics.missing_signatures(missing_signatures())
