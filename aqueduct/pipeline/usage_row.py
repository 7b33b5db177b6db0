"""From a finished request to its row in `usage.requests`; knows no HTTP."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import repeat
from operator import attrgetter
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple

from adapters.base import Deployment
from aqueduct.auth.principal import Principal
from aqueduct.db.names import COUNTERS
from aqueduct.pipeline.attempt_log import attempts_of, rates_of, started_at
from aqueduct.pipeline.context import Attempt, RequestContext
from aqueduct.usage.pricing import to_decimal
from aqueduct.usage.segments import Row
from aqueduct.usage.store import COLUMNS
from schemas.usage import Usage

MAX_TEXT_CHARS: Final = 256
MAX_COUNT: Final = 2**31 - 1
MAX_COST_PICO: Final = 10**24 - 1
MAX_RAW_BYTES: Final = 16 * 1024
_TOTAL: Final = re.compile(r'"total_tokens"\s*:\s*(\d{1,12})')
_NOBODY: Final = (None,) * 5
_COUNTERS: Final = slice(len(COUNTERS))
"""Where the counters stand among the fields of a `Usage`."""
_ATTEMPT_TEXTS: Final[Callable[[Attempt], tuple[str | None, ...]]] = attrgetter(
    "upstream_model", "upstream_id", "upstream_request_id", "native_finish_reason", "service_tier"
)
_NOTHING: Final = (None,) * (len(COUNTERS) + 2)
_NO_DETAILS: Final = (None,) * (len(COUNTERS) - 2)
"""Of counters without the first two, `prompt_tokens` and `completion_tokens`."""
_DEPLOYMENT: Final = slice(COLUMNS.index("deployment_id"), COLUMNS.index("upstream_model") + 1)
_UPSTREAM_IDS: Final = slice(COLUMNS.index("upstream_id"), COLUMNS.index("upstream_request_id") + 1)
_METERS: Final = slice(COLUMNS.index(COUNTERS[0]), COLUMNS.index(COUNTERS[-1]) + 1)
_ERROR_KIND: Final = COLUMNS.index("error_kind")
_NATIVE: Final = COLUMNS.index("native_finish_reason")
_SOURCE: Final = COLUMNS.index("usage_source")
_TIER: Final = COLUMNS.index("service_tier")
_COST: Final = COLUMNS.index("cost")


def to_row(context: RequestContext, duration_s: float) -> Row:
    """Return the cells in the order of `COLUMNS`; once per request, by position at a third of the cost of by name."""
    usage = context.usage
    first = context.first_content
    violations: list[str] = []
    model, requested, upstream_model, upstream_id, upstream_request_id, client_id, user, native, finish, tier = _texts(
        context.model,
        context.requested_model,
        context.upstream_model,
        context.upstream_id,
        context.upstream_request_id,
        context.client_request_id,
        context.client_user,
        context.native_finish_reason,
        context.finish_reason,
        context.service_tier,
    )
    return (
        context.request_id,
        started_at(context),
        round(duration_s * 1000),
        None if first is None else round((first - context.started) * 1000),
        context.endpoint,
        context.operation,
        context.streamed,
        context.status,
        None if context.error_kind is None else context.error_kind.value,
        *_owner(context.principal),
        model,
        requested,
        context.deployment_id,
        context.provider,
        upstream_model,
        upstream_id,
        upstream_request_id,
        client_id,
        user,
        context.attempts,
        native,
        finish,
        *(_NOTHING if usage is None else _meters(usage, violations)),
        violations,
        list(map(_clean, context.dropped_params)),
        tier,
        None if context.cost is None else _cost(context.cost, violations),
        context.schema_outcome,
        None if context.reservations is None else context.reservations(),
    )


def to_attempt_rows(context: RequestContext, duration_s: float, row: Row) -> tuple[Row, ...]:
    """Return a row per attempt, in the order of `ATTEMPT_COLUMNS`; `row` is the request's own."""
    if context.attempts == 1 and not context.failures and context.answered is context.usage:
        return (_only_attempt_row(context, duration_s, row),)
    return tuple([_attempt_row(context, attempt) for attempt in attempts_of(context, duration_s)])


def _only_attempt_row(context: RequestContext, duration_s: float, row: Row) -> Row:
    """Return what `_attempt_row` would for a request that was answered at once: its own row says it already."""
    began_at = started_at(context)
    return (
        context.request_id,
        1,
        began_at,
        began_at + timedelta(0, 0, round((context.attempt_begun - context.started) * 1_000_000)),
        max(0, round((context.started + duration_s - context.attempt_begun) * 1000)),
        *row[_DEPLOYMENT],
        row[_ERROR_KIND],
        None,
        *row[_UPSTREAM_IDS],
        row[_NATIVE],
        row[_SOURCE],
        row[_TIER],
        *row[_METERS],
        row[_COST],
        rates_of(context) if context.price_lists else None,
    )


def _attempt_row(context: RequestContext, attempt: Attempt) -> Row:
    began_at = started_at(context)
    usage = attempt.usage
    upstream_model, upstream_id, upstream_request_id, native, tier = _texts(*_ATTEMPT_TEXTS(attempt))
    return (
        context.request_id,
        attempt.number,
        began_at,
        began_at + timedelta(0, 0, round((attempt.begun - context.started) * 1_000_000)),
        max(0, round((attempt.ended - attempt.begun) * 1000)),
        attempt.deployment_id,
        attempt.provider,
        upstream_model,
        attempt.error_kind,
        attempt.upstream_status,
        upstream_id,
        upstream_request_id,
        native,
        None if usage is None else usage.source,
        tier,
        *(_NOTHING[2:] if usage is None else _counters(usage, [])),
        _cost(attempt.cost, []),
        attempt.rates,
    )


def to_open_row(context: RequestContext, deployment: Deployment) -> Row:
    """Return what is known of a request before its first upstream byte, in the same order."""
    model, requested, upstream_model, client_id, user = _texts(
        context.model,
        context.requested_model,
        deployment.upstream_model,
        context.client_request_id,
        context.client_user,
    )
    return (
        context.request_id,
        started_at(context),
        0,
        None,
        context.endpoint,
        context.operation,
        context.streamed,
        0,
        None,
        *_owner(context.principal),
        model,
        requested,
        deployment.id,
        deployment.provider,
        upstream_model,
        None,
        None,
        client_id,
        user,
        1,
        None,
        None,
        *_NOTHING,
        [],
        [],
        None,
        None,
        None,
        None if context.reservations is None else context.reservations(),
    )


def _owner(principal: Principal | None) -> tuple[UUID | None, ...]:
    if principal is None:
        return _NOBODY
    return (
        principal.org_id,
        principal.team_id,
        principal.user_id,
        principal.service_account_id,
        principal.token_id,
    )


def _meters(usage: Usage, violations: list[str]) -> Row:
    """Return the source, the counters and the raw usage; what PostgreSQL cannot hold is left out and named."""
    counters: tuple[int | None, ...] = astuple(usage)[_COUNTERS]
    if counters[2:] != _NO_DETAILS or not _are_plain(counters[0] or 0, counters[1] or 0):
        violations += usage.violations()
        counters = _counters(usage, violations)
    raw = None if usage.raw is UNSET else _raw_json(bytes(usage.raw))
    if raw is None and usage.raw is not UNSET:
        violations.append("raw usage left out")
    if raw is not None and usage.source == "provider":
        total = _TOTAL.search(raw)
        if total is not None and int(total[1]) != usage.total_tokens:
            violations.append("total_tokens <> prompt_tokens + completion_tokens")
    return (usage.source, *counters, raw)


def _are_plain(prompt_tokens: int, completion_tokens: int) -> bool:
    """Whether the totals, without details, contradict nothing and fit; so it is with nearly all answers."""
    return 0 <= prompt_tokens <= MAX_COUNT and 0 <= completion_tokens <= MAX_COUNT


def _counters(usage: Usage, violations: list[str]) -> tuple[int | None, ...]:
    counters: tuple[int | None, ...] = astuple(usage)[_COUNTERS]
    known = tuple(filter(None, counters))
    if known and not -MAX_COUNT <= min(known) <= max(known) <= MAX_COUNT:
        return tuple(map(_in_range, COUNTERS, counters, repeat(violations)))
    return counters


def _cost(pico: int | None, violations: list[str]) -> Decimal | None:
    """Return an amount as the database holds it: at most 12 digits before the point and 12 behind it."""
    if pico is None or pico <= MAX_COST_PICO:
        return None if pico is None else to_decimal(pico)
    violations.append("cost out of range")
    return None


def _in_range(name: str, value: int | None, violations: list[str]) -> int | None:
    if value is None or -MAX_COUNT <= value <= MAX_COUNT:
        return value
    violations.append(f"{name} out of range")
    return None


def _raw_json(raw: bytes) -> str | None:
    """Return the provider's usage object as `jsonb` takes it, None where it is too long or cannot be stored."""
    if len(raw) > MAX_RAW_BYTES:
        return None
    try:
        text = raw.decode()
        if "\\u" in text:  # what `jsonb` refuses: lone surrogates, which the decoder refuses too, and NUL
            text = msgspec.json.encode(msgspec.json.decode(raw)).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if "\\u0000" in text else text


def _texts(*values: str | None) -> tuple[str | None, ...]:
    """Return texts that PostgreSQL takes: bounded, and without NUL and surrogates; one look at all of them together."""
    joined = "".join([value for value in values if value])
    if len(joined) <= MAX_TEXT_CHARS and joined.isascii() and "\0" not in joined:
        return values
    return tuple([None if value is None else _clean(value) for value in values])


def _clean(value: str) -> str:
    if value.isascii() and "\0" not in value:
        return value[:MAX_TEXT_CHARS]
    return value[:MAX_TEXT_CHARS].replace("\0", "").encode("utf-8", "replace").decode()
