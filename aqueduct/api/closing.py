"""The end of a request, reached exactly once whatever happens: usage row, metrics, log line; knows no wire format."""

import time
from datetime import UTC, datetime
from functools import lru_cache

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.gateway import Gateway
from aqueduct.errors import ErrorType
from aqueduct.observability.metrics import error_label
from aqueduct.observability.request_log import RequestLine
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import PICO

LOGGED_LEVELS = frozenset({"debug", "info"})


def note_provider_failure(context: RequestContext, error: ProviderError) -> None:
    """Keep for the log why a provider failed; words that may quote the caller are left out."""
    quotes_caller = error.kind.is_callers_fault or error.kind is ErrorKind.SERVER_ERROR
    context.failure_reason = (error.code or error.kind.value) if quotes_caller else error.message
    context.upstream_status = error.status
    context.upstream_request_id = error.upstream_request_id


def close_request(gateway: Gateway, context: RequestContext) -> None:
    """Record a request that has ended. Synchronous on purpose: no cancellation can come between."""
    duration_s = time.perf_counter() - context.started
    if gateway.pipeline.usage.end(context, duration_s):
        gateway.metrics.violation()
    _count(gateway, context, duration_s)
    if gateway.settings.log_level in LOGGED_LEVELS:
        gateway.request_log.put(_line(context, duration_s))


def _count(gateway: Gateway, context: RequestContext, duration_s: float) -> None:
    model = context.catalog_model or ""
    first = context.first_content
    gateway.metrics.request(
        (context.endpoint, model, context.provider or "", str(context.status), error_label(context.error_kind)),
        duration_s,
        None if first is None else first - context.started,
        max(0.0, duration_s - context.waited_s),
    )
    if context.schema_outcome is not None:
        gateway.metrics.schema_check(model, context.schema_outcome)
    usage = context.usage
    if context.cost:
        gateway.metrics.cost(model, gateway.settings.currency, context.cost / PICO)
    if usage is not None:
        counts = (
            usage.prompt_tokens or 0,
            usage.cached_tokens or 0,
            usage.cache_write_tokens or 0,
            usage.completion_tokens or 0,
            usage.reasoning_tokens or 0,
            usage.prompt_audio_tokens or 0,
            usage.completion_audio_tokens or 0,
        )
        gateway.metrics.tokens(model, counts, usage.source)


def _time_text(time_ns: int) -> str:
    """Return a time in ISO 8601, in UTC with milliseconds."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{_second_text(seconds)}.{rest_ns // 1_000_000:03d}+00:00"


def _ms(seconds: float) -> float:
    """Return milliseconds with two decimal places; three times as fast as `round` with a number of places."""
    return round(seconds * 100_000) / 100


@lru_cache(maxsize=8)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _line(context: RequestContext, duration_s: float) -> RequestLine:
    """Return the line; by position, because more than 15 names at once cost seven times as much."""
    principal, usage, first = context.principal, context.usage, context.first_content
    error: ErrorType | None = context.error_kind
    return RequestLine(
        _time_text(context.started_at_ns),
        context.request_id,
        context.endpoint,
        context.status,
        _ms(duration_s),
        _ms(max(0.0, duration_s - context.waited_s)),
        None if first is None else _ms(first - context.started),
        None if error is None else error.value,
        context.upstream_status,
        context.upstream_request_id,
        context.failure_reason,
        None if principal is None else principal.org_slug,
        None if principal is None else principal.token_id,
        context.model,
        context.provider,
        context.deployment_id,
        context.attempts,
        context.streamed,
        None if usage is None else usage.prompt_tokens,
        None if usage is None else usage.completion_tokens,
        None if usage is None else usage.source,
        context.schema_valid,
    )
