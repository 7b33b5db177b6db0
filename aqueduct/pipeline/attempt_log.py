"""What became of each upstream attempt, and what the request costs so far; knows no row and no HTTP."""

import time
from datetime import UTC, datetime

from adapters.errors import ProviderError
from aqueduct.errors import PROVIDER_ERROR_TYPES
from aqueduct.pipeline.context import Attempt, RequestContext
from aqueduct.usage.pricing import Meter, cost, tier_of
from schemas.usage import Usage


def started_at(context: RequestContext) -> datetime:
    """Return when a request began."""
    if context.started_at is None:
        context.started_at = datetime.fromtimestamp(context.started_at_ns / 1e9, UTC)
    return context.started_at


def note_failure(context: RequestContext, error: ProviderError) -> None:
    """Note an attempt that has failed."""
    usage = error.usage
    context.failures = (
        *context.failures,
        Attempt(
            number=context.attempts,
            begun=context.attempt_begun,
            ended=time.perf_counter(),
            deployment_id=context.deployment_id,
            provider=context.provider,
            upstream_model=context.upstream_model,
            error_kind=PROVIDER_ERROR_TYPES[error.kind].value,
            upstream_status=error.status,
            upstream_request_id=error.upstream_request_id,
            usage=usage,
            cost=_cost(context, usage, None),
            rates=_rates(context, usage, None),
        ),
    )


def note_replaced(context: RequestContext) -> None:
    """Note an attempt whose answer is asked for once more: what it consumed is booked beside the next one's."""
    context.failures = (*context.failures, _answered(context, time.perf_counter()))
    if context.answered is not None:
        context.spent = context.with_spent(context.answered)
        context.answered = None


def attempts_of(context: RequestContext, duration_s: float) -> tuple[Attempt, ...]:
    """Return all attempts of a request that has ended; the last one is told by the request itself unless it failed."""
    if context.attempts <= len(context.failures):
        return context.failures
    return (*context.failures, _answered(context, context.started + duration_s))


def _answered(context: RequestContext, ended: float) -> Attempt:
    return Attempt(
        number=context.attempts,
        begun=context.attempt_begun,
        ended=ended,
        deployment_id=context.deployment_id,
        provider=context.provider,
        upstream_model=context.upstream_model,
        error_kind=None if context.error_kind is None else context.error_kind.value,
        upstream_id=context.upstream_id,
        upstream_request_id=context.upstream_request_id,
        native_finish_reason=context.native_finish_reason,
        service_tier=context.service_tier,
        usage=context.answered,
        cost=_cost(context, context.answered, context.service_tier),
        rates=_rates(context, context.answered, context.service_tier),
    )


def note_cost(context: RequestContext) -> None:
    """Work out what a request costs with all its attempts, once the usage of the last is known; None: not priced."""
    if not context.price_lists:
        return
    known = [failed.cost for failed in context.failures if failed.cost is not None]
    if context.attempts > len(context.failures):
        last = _cost(context, context.answered, context.service_tier)
        known += [] if last is None else [last]
    context.cost = sum(known) if known else None


def has_price(context: RequestContext, meter: Meter, usage: Usage) -> bool:
    """Return whether the present attempt's deployment charges for a meter."""
    prices = context.price_lists.get(context.deployment_id or "") if context.price_lists else None
    rates = None if prices is None else prices.rates(started_at(context), "standard", usage.prompt_tokens or 0)
    return rates is not None and meter in rates


def rates_of(context: RequestContext) -> str | None:
    """Return what the last attempt is priced by, in JSON."""
    return _rates(context, context.answered, context.service_tier)


def _cost(context: RequestContext, usage: Usage | None, service_tier: str | None) -> int | None:
    prices = context.price_lists.get(context.deployment_id or "") if context.price_lists else None
    if prices is None or usage is None:
        return None
    return cost(usage, prices, started_at(context), tier_of(service_tier))


def _rates(context: RequestContext, usage: Usage | None, service_tier: str | None) -> str | None:
    """Return what an attempt is priced by, in JSON."""
    prices = context.price_lists.get(context.deployment_id or "") if context.price_lists else None
    if prices is None or usage is None:
        return None
    return prices.rates_json(started_at(context), tier_of(service_tier), usage.prompt_tokens or 0)
