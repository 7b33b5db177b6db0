"""From a finished request to its row in `usage.requests`; knows no HTTP."""

from datetime import UTC, datetime, timedelta
from itertools import repeat
from operator import attrgetter
from typing import Final

import msgspec
from msgspec import UNSET

from adapters.base import Deployment
from aqueduct.db.usage_tables import COUNTERS
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.recorder import Row
from schemas.usage import Usage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT_CHARS: Final = 256
MAX_COUNT: Final = 2**31 - 1
MAX_RAW_BYTES: Final = 16 * 1024
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
        _EPOCH + timedelta(microseconds=context.started_at_ns // 1000),
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
    )


def to_open_row(context: RequestContext, deployment: Deployment) -> Row:
    """Return what is known of a request before its first upstream byte, in the same order."""
    principal = context.principal
    return (
        context.request_id,
        _EPOCH + timedelta(microseconds=context.started_at_ns // 1000),
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
    )


def _meters(usage: Usage, violations: list[str]) -> Row:
    """Return the source, the counters and the raw usage; what PostgreSQL cannot hold is left out and named."""
    violations += usage.violations()
    counters: tuple[int | None, ...] = _COUNTERS(usage)
    if any(value is not None and not -MAX_COUNT <= value <= MAX_COUNT for value in counters):
        counters = tuple(map(_in_range, COUNTERS, counters, repeat(violations)))
    raw = None if usage.raw is UNSET else _raw_json(bytes(usage.raw))
    if raw is None and usage.raw is not UNSET:
        violations.append("raw usage left out")
    return (usage.source, *counters, raw)


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
