"""`/v1/requests/{id}`: one request explained to its owner: attempts, what was dropped, where usage came from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec import Struct

from aqueduct.api import reservations
from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, principal_of
from aqueduct.auth.principal import Principal
from aqueduct.db.names import COUNTERS
from aqueduct.db.readers import ReadersBusyError
from aqueduct.errors import ErrorType, GatewayError, reports_unavailable
from aqueduct.limits.reserved import Reserved
from aqueduct.pipeline.context import SchemaOutcome
from aqueduct.usage.pricing import Meter, lines, quantities, to_text
from aqueduct.usage.reports import decimal_text
from schemas.usage import Usage

_NEAR: Final = timedelta(days=1)
_REQUEST: Final = "SELECT * FROM usage.requests WHERE id = $1 AND started_at BETWEEN $2 AND $3"
_ATTEMPTS: Final = (
    "SELECT * FROM usage.attempts WHERE request_id = $1 AND request_started_at BETWEEN $2 AND $3 ORDER BY number"
)


_decode_rates: Final = msgspec.json.Decoder(dict[Meter, int]).decode


class PriceLine(Struct, frozen=True, kw_only=True):
    """So many units of a meter at a rate; `rate` and `cost` are decimal texts in the gateway's currency."""

    meter: str
    quantity: int
    rate: str
    cost: str


class AttemptExplained(Struct, frozen=True, kw_only=True):
    """One upstream attempt. `lines` are by the prices that it was booked with, and add up to `cost`."""

    number: int
    started_at: datetime
    provider: str | None
    deployment_id: UUID | None
    upstream_model: str | None
    upstream_id: str | None
    upstream_request_id: str | None
    duration_ms: int
    error_kind: str | None
    upstream_status: int | None
    native_finish_reason: str | None
    usage_source: str | None
    service_tier: str | None
    prompt_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cost: str | None
    lines: list[PriceLine]


class RequestExplained(Struct, frozen=True, kw_only=True):
    """One request. `started_at` is in ISO 8601; `schema_outcome` where its answer was held against a JSON schema.

    `refused_by` is the limit that refused it, or ended its answer; `client_request_id` and `user` are the client's own.
    """

    id: UUID
    started_at: datetime
    duration_ms: int
    ttft_ms: int | None
    endpoint: str
    operation: str
    streamed: bool
    token_id: UUID | None
    client_request_id: str | None
    user: str | None
    status: int
    error_kind: str | None
    model: str | None
    requested_model: str | None
    provider: str | None
    finish_reason: str | None
    usage_source: str | None
    prompt_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    violations: list[str]
    dropped_params: list[str]
    schema_outcome: SchemaOutcome | None
    currency: str
    cost: str | None
    refused_by: reservations.RefusalExplained | None
    reservations: list[reservations.ReservationExplained]
    attempts: list[AttemptExplained]
    object: str = "aqueduct.request"


@get(["/requests/{request_id:str}", "/v1/requests/{request_id:str}"], include_in_schema=False)
async def explain_request(request: AnyRequest, request_id: FromPath[str]) -> Response[bytes]:
    """Explain a request of the caller's owner; anybody else's does not exist."""
    principal = principal_of(request)
    gateway = gateway_of(request.scope)
    try:
        wanted = UUID(request_id)
    except ValueError:
        raise _unknown() from None
    near = datetime.fromtimestamp((wanted.int >> 80) / 1000 % 253_000_000_000, UTC)
    try:
        arguments = (wanted, near - _NEAR, near + _NEAR)
        found = await gateway.readers.fetch(_REQUEST, *arguments)
        tried = await gateway.readers.fetch(_ATTEMPTS, *arguments)
        if not found or not _owns(principal, found[0]):
            raise _unknown()
        kept = reservations.parsed(found[0])
        limits = reservations.limits_of(kept)
        names = await gateway.readers.fetch(reservations.NAMES, limits) if limits else []
    except ReadersBusyError:
        raise reports_unavailable() from None
    named = {row["id"]: row for row in names}
    body = _explained(found[0], tried, gateway.settings.currency, kept, named)
    return json_response(request, body)


def _owns(principal: Principal, row: asyncpg.Record) -> bool:
    """Whether a request was made in the caller's own name: a team's token does not see those of its members."""
    owner = (principal.org_id, principal.user_id, principal.service_account_id)
    if (row["org_id"], row["user_id"], row["service_account_id"]) != owner:
        return False
    return principal.owner_kind != "team" or bool(row["team_id"] == principal.team_id)


def _explained(
    row: asyncpg.Record,
    tried: "list[asyncpg.Record]",
    currency: str,
    kept: Reserved,
    names: Mapping[UUID, asyncpg.Record],
) -> RequestExplained:
    return RequestExplained(
        id=row["id"],
        started_at=row["started_at"],
        duration_ms=row["duration_ms"],
        ttft_ms=row["ttft_ms"],
        endpoint=row["endpoint"],
        operation=row["operation"],
        token_id=row["token_id"],
        client_request_id=row["client_request_id"],
        user=row["client_user"],
        streamed=row["streamed"],
        status=row["status"],
        error_kind=row["error_kind"],
        model=row["model"],
        requested_model=row["requested_model"],
        provider=row["provider"],
        finish_reason=row["finish_reason"],
        usage_source=row["usage_source"],
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        completion_tokens=row["completion_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        violations=row["violations"],
        dropped_params=row["dropped_params"],
        schema_outcome=row["schema_outcome"],
        currency=currency,
        cost=None if row["cost"] is None else decimal_text(row["cost"]),
        refused_by=reservations.refusal(kept, names),
        reservations=reservations.explained(kept, names),
        attempts=[_attempt(attempt) for attempt in tried],
    )


def _attempt(row: asyncpg.Record) -> AttemptExplained:
    return AttemptExplained(
        number=row["number"],
        started_at=row["started_at"],
        provider=row["provider"],
        deployment_id=row["deployment_id"],
        upstream_model=row["upstream_model"],
        upstream_id=row["upstream_id"],
        upstream_request_id=row["upstream_request_id"],
        duration_ms=row["duration_ms"],
        error_kind=row["error_kind"],
        upstream_status=row["upstream_status"],
        native_finish_reason=row["native_finish_reason"],
        usage_source=row["usage_source"],
        service_tier=row["service_tier"],
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        completion_tokens=row["completion_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        cost=None if row["cost"] is None else decimal_text(row["cost"]),
        lines=_lines(row),
    )


def _lines(row: asyncpg.Record) -> list[PriceLine]:
    if row["rates"] is None:
        return []
    usage = Usage(**{name: row[name] for name in COUNTERS})
    return [
        PriceLine(meter=line.meter, quantity=line.quantity, rate=to_text(line.rate), cost=to_text(line.cost))
        for line in lines(quantities(usage), _decode_rates(row["rates"]))
    ]


def _unknown() -> GatewayError:
    message = "There is no such request of yours. Its row is written within seconds of its end."
    return GatewayError(404, "request_not_found", message, kind=ErrorType.CALLER_INVALID_REQUEST, param="request_id")
