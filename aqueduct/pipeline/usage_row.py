"""From a finished request to its row in `usage.requests`; knows no HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET

from aqueduct.db.usage_tables import COUNTERS
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.recorder import COLUMNS, Cell, Row
from schemas.usage import Usage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT_CHARS: Final = 256
MAX_COUNT: Final = 2**31 - 1
MAX_RAW_BYTES: Final = 16 * 1024


def to_row(context: RequestContext, duration_s: float) -> Row:
    """Return the cells in the order of `COLUMNS`."""
    principal = context.principal
    usage = context.usage
    first = context.first_content
    cells: dict[str, Cell] = {
        "id": context.request_id,
        "started_at": _EPOCH + timedelta(microseconds=context.started_at_ns // 1000),
        "duration_ms": round(duration_s * 1000),
        "ttft_ms": None if first is None else round((first - context.started) * 1000),
        "endpoint": context.endpoint,
        "operation": context.operation,
        "streamed": context.streamed,
        "status": context.status,
        "error_kind": None if context.error_kind is None else context.error_kind.value,
        "model": _text(context.model),
        "requested_model": _text(context.requested_model),
        "deployment_id": context.deployment_id,
        "provider": context.provider,
        "upstream_model": _text(context.upstream_model),
        "upstream_id": _text(context.upstream_id),
        "upstream_request_id": _text(context.upstream_request_id),
        "client_request_id": _text(context.client_request_id),
        "client_user": _text(context.client_user),
        "attempts": context.attempts,
        "native_finish_reason": _text(context.native_finish_reason),
        "finish_reason": _text(context.finish_reason),
        "violations": [],
        "dropped_params": [_clean(name) for name in context.dropped_params],
    }
    if principal is not None:
        cells |= {
            "org_id": principal.org_id,
            "team_id": principal.team_id,
            "user_id": principal.user_id,
            "service_account_id": principal.service_account_id,
            "token_id": principal.token_id,
        }
    if usage is not None:
        cells |= _counters(usage)
    return tuple(cells.get(name) for name in COLUMNS)


def _counters(usage: Usage) -> dict[str, Cell]:
    """Return the meter vector's cells; what PostgreSQL cannot hold is left out and named in `violations`."""
    violations = list(usage.violations())
    cells: dict[str, Cell] = {"usage_source": usage.source, "violations": violations}
    for name in COUNTERS:
        value: int | None = getattr(usage, name)
        if value is not None and not -MAX_COUNT <= value <= MAX_COUNT:
            violations.append(f"{name} out of range")
            value = None
        cells[name] = value
    if usage.raw is not UNSET:
        cells["raw_usage"] = _raw_json(bytes(usage.raw))
        if cells["raw_usage"] is None:
            violations.append("raw usage left out")
    return cells


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
    return value[:MAX_TEXT_CHARS].replace("\0", "").encode("utf-8", "replace").decode()
