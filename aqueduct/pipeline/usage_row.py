"""From a finished request to its row in `usage.requests`; knows no HTTP."""

import re
from datetime import timedelta
from decimal import Decimal
from itertools import repeat
from operator import attrgetter
from typing import Final

import msgspec
from msgspec import UNSET

from adapters.base import Deployment
from aqueduct.db.usage_tables import COUNTERS
from aqueduct.pipeline.attempt_log import attempts_of, started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import to_decimal
from aqueduct.usage.segments import Row
from schemas.usage import Usage

MAX_TEXT_CHARS: Final = 256
MAX_COUNT: Final = 2**31 - 1
MAX_COST_PICO: Final = 10**24 - 1
MAX_RAW_BYTES: Final = 16 * 1024
_TOTAL: Final = re.compile(r'"total_tokens"\s*:\s*(\d{1,12})')
_OWNER: Final = attrgetter("org_id", "team_id", "user_id", "service_account_id", "token_id")
_NOBODY: Final = (None,) * 5
_COUNTERS: Final = attrgetter(*COUNTERS)
_NOTHING: Final = (None,) * (len(COUNTERS) + 2)


def to_row(context: RequestContext, duration_s: float) -> Row:
    """Return the cells in the order of `COLUMNS`; once per request, by position at a third of the cost of by name."""
    principal = context.principal
    usage = context.usage
    first = context.first_content
    violations: list[str] = []
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
        *(_NOBODY if principal is None else _OWNER(principal)),
        _text(context.model),
        _text(context.requested_model),
        context.deployment_id,
        context.provider,
        _text(context.upstream_model),
        _text(context.upstream_id),
        _text(context.upstream_request_id),
        _text(context.client_request_id),
        _text(context.client_user),
        context.attempts,
        _text(context.native_finish_reason),
        _text(context.finish_reason),
        *(_NOTHING if usage is None else _meters(usage, violations)),
        violations,
        [_clean(name) for name in context.dropped_params],
        _text(context.service_tier),
        _cost(context.cost, violations),
        context.schema_outcome,
    )


def to_attempt_rows(context: RequestContext, duration_s: float) -> tuple[Row, ...]:
    """Return a row per attempt, in the order of `ATTEMPT_COLUMNS`."""
    began_at = started_at(context)
    return tuple(
        (
            context.request_id,
            attempt.number,
            began_at,
            began_at + timedelta(seconds=attempt.begun - context.started),
            max(0, round((attempt.ended - attempt.begun) * 1000)),
            attempt.deployment_id,
            attempt.provider,
            _text(attempt.upstream_model),
            attempt.error_kind,
            attempt.upstream_status,
            _text(attempt.upstream_id),
            _text(attempt.upstream_request_id),
            _text(attempt.native_finish_reason),
            None if attempt.usage is None else attempt.usage.source,
            _text(attempt.service_tier),
            *(_NOTHING[2:] if attempt.usage is None else _counters(attempt.usage, [])),
            _cost(attempt.cost, []),
        )
        for attempt in attempts_of(context, duration_s)
    )


def to_open_row(context: RequestContext, deployment: Deployment) -> Row:
    """Return what is known of a request before its first upstream byte, in the same order."""
    principal = context.principal
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
        *(_NOBODY if principal is None else _OWNER(principal)),
        _text(context.model),
        _text(context.requested_model),
        deployment.id,
        deployment.provider,
        _text(deployment.upstream_model),
        None,
        None,
        _text(context.client_request_id),
        _text(context.client_user),
        1,
        None,
        None,
        *_NOTHING,
        [],
        [],
        None,
        None,
        None,
    )


def _meters(usage: Usage, violations: list[str]) -> Row:
    """Return the source, the counters and the raw usage; what PostgreSQL cannot hold is left out and named."""
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


def _counters(usage: Usage, violations: list[str]) -> tuple[int | None, ...]:
    counters: tuple[int | None, ...] = _COUNTERS(usage)
    if any(value is not None and not -MAX_COUNT <= value <= MAX_COUNT for value in counters):
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
        # escapes may stand for what `jsonb` refuses: lone surrogates, which the decoder refuses too, and NUL
        data = msgspec.json.encode(msgspec.json.decode(raw)) if b"\\u" in raw else raw
        return None if b"\\u0000" in data else data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: str | None) -> str | None:
    """Return a text that PostgreSQL takes: bounded, and without NUL and surrogates."""
    return None if value is None else _clean(value)


def _clean(value: str) -> str:
    if value.isascii() and "\0" not in value:
        return value[:MAX_TEXT_CHARS]
    return value[:MAX_TEXT_CHARS].replace("\0", "").encode("utf-8", "replace").decode()
