"""From a finished request to its row in `usage.requests`; knows no HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import UNSET

from aqueduct.db.usage_tables import COUNTERS
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.recorder import COLUMNS, Cell, Row
from schemas.usage import Usage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT_CHARS: Final = 256
MAX_COUNT: Final = 2**31 - 1


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
        "model": context.model,
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
        "finish_reason": context.finish_reason,
        "violations": [],
        "dropped_params": [name[:MAX_TEXT_CHARS] for name in context.dropped_params],
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
        raw = bytes(usage.raw).decode("utf-8", "replace")
        if "\\u" in raw:
            violations.append("raw usage left out")  # an escape may stand for what `jsonb` refuses
        else:
            cells["raw_usage"] = raw
    return cells


def _text(value: str | None) -> str | None:
    """Return a text that PostgreSQL takes: bounded, and without NUL and surrogates."""
    if value is None:
        return None
    return value[:MAX_TEXT_CHARS].replace("\0", "").encode("utf-8", "replace").decode()
