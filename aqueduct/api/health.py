"""Probes and metrics for operators: no token needed, nothing told about users or models."""

import asyncio
from typing import Final

from litestar import Response, get

from aqueduct.api.gateway import Gateway
from aqueduct.api.gauges import publish_gauges
from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, request_id_header
from aqueduct.observability.metrics import CONTENT_TYPE

STALE_AFTER_POLLS: Final = 6


@get(["/health/live", "/v1/health/live"], sync_to_thread=False, include_in_schema=False)
def live(request: AnyRequest) -> Response[bytes]:
    """Answer as long as the process does."""
    return json_response(request, {"status": "ok"})


@get(["/health/ready", "/v1/health/ready"], sync_to_thread=False, include_in_schema=False)
def ready(request: AnyRequest) -> Response[bytes]:
    """Answer 200 while new requests are taken, 503 with the reasons otherwise."""
    gateway = gateway_of(request.scope)
    reasons = _reasons(gateway)
    body = {"status": "unavailable" if reasons else "ok", "reasons": reasons}
    return json_response(request, body, 503 if reasons else 200)


@get(["/metrics", "/v1/metrics"], include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Expose the instance's metrics in Prometheus' text format."""
    gateway = gateway_of(request.scope)
    publish_gauges(gateway)
    exposition = await asyncio.to_thread(gateway.metrics.exposition)
    return Response(exposition, headers={"content-type": CONTENT_TYPE, **request_id_header(request)})


def _reasons(gateway: Gateway) -> list[str]:
    reasons: list[str] = []
    if gateway.draining:
        reasons.append("shutting down")
    if gateway.recorder.is_full:
        reasons.append("usage cannot be written")
    if gateway.catalog.staleness_s > STALE_AFTER_POLLS * gateway.settings.catalog_poll_s:
        reasons.append("the catalog is stale")
    return reasons
