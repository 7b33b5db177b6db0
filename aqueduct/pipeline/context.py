"""What is known of one request while it passes the stages; knows no HTTP and no provider."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from aqueduct.auth.principal import Principal
from aqueduct.errors import ErrorType
from aqueduct.limits.reserved import RefusedBy, with_refusal
from aqueduct.usage.pricing import PriceList
from schemas.usage import Usage, summed

SchemaOutcome = Literal["valid", "invalid", "repaired", "unknown"]


class Attempt(Struct, frozen=True, kw_only=True):
    """One attempt. `begun` and `ended` are `time.perf_counter()`; `cost` is in pico-units of the currency.

    `rates` are what it was priced by, in JSON.
    """

    number: int
    begun: float
    ended: float
    deployment_id: str | None
    provider: str | None
    upstream_model: str | None
    error_kind: str | None = None
    upstream_status: int | None = None
    upstream_id: str | None = None
    upstream_request_id: str | None = None
    native_finish_reason: str | None = None
    service_tier: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    rates: str | None = None


MAX_PROVIDER_HEADERS: Final = 30
_RETRY_HEADERS: Final = frozenset({"retry-after", "retry-after-ms"})


class RequestContext:
    """One request's facts, filled in stage by stage and turned into the usage row and the log line at its end.

    Moments are `time.perf_counter()`, spans are in seconds, money is in pico-units of the currency. What no stage has
    told yet is None, or empty.
    """

    __slots__ = (
        "answered",
        "attempt_begun",
        "attempts",
        "begun_early",
        "catalog_model",
        "client_request_id",
        "client_user",
        "cost",
        "deployment_id",
        "dropped_params",
        "endpoint",
        "error_kind",
        "failed_at",
        "failure_reason",
        "failures",
        "finish_reason",
        "first_content",
        "in_flight",
        "include_cost",
        "include_provider_headers",
        "journaled",
        "limit_headers",
        "max_seconds",
        "model",
        "native_finish_reason",
        "operation",
        "price_lists",
        "principal",
        "provider",
        "provider_headers",
        "request_id",
        "requested_model",
        "reservations",
        "schema_outcome",
        "schema_valid",
        "service_tier",
        "spent",
        "started",
        "started_at",
        "started_at_ns",
        "status",
        "streamed",
        "upstream_id",
        "upstream_model",
        "upstream_request_id",
        "upstream_status",
        "usage",
        "waited_s",
    )

    def __init__(self, request_id: str, endpoint: str, operation: str) -> None:
        self.request_id = request_id
        self.endpoint = endpoint
        self.operation = operation
        self.started = time.perf_counter()
        self.started_at_ns = time.time_ns()
        self.started_at: datetime | None = None  # ask `attempt_log.started_at`, which fills it in
        self.waited_s = 0.0  # for providers, and for the client's body
        # who asks, and with which wishes
        self.principal: Principal | None = None
        self.client_request_id: str | None = None
        self.client_user: str | None = None
        self.include_cost = False
        self.include_provider_headers = False
        # what is asked for
        self.requested_model: str | None = None
        self.streamed = False
        self.model: str | None = None
        self.catalog_model: str | None = None
        self.price_lists: Mapping[str, PriceList] | None = None  # of the request's snapshot, by deployment
        # what holds it to account: the lines tell of limits, the JSON is what the usage row keeps of a reservation
        self.limit_headers: Callable[[], bytes] | None = None
        self.reservations: Callable[[], str] | None = None
        self.journaled = False  # the journal knows of the request, and must hear of its end
        # the attempt that is under way, or was the last
        self.attempts = 0
        self.attempt_begun = 0.0
        self.in_flight = False
        self.deployment_id: str | None = None
        self.provider: str | None = None
        self.upstream_model: str | None = None
        self.max_seconds = 0  # its deployment's bound on a recording
        self.provider_headers: dict[str, str] | None = None
        self.answered: Usage | None = None  # what it consumed
        # those that failed before it
        self.failures: tuple[Attempt, ...] = ()
        self.failed_at = 0.0  # the last of them, until the pause after it is counted; else 0
        self.spent: Usage | None = None  # what they consumed
        # its answer
        self.upstream_id: str | None = None
        self.upstream_request_id: str | None = None
        self.upstream_status: int | None = None
        self.service_tier: str | None = None
        self.first_content: float | None = None
        self.finish_reason: str | None = None
        self.native_finish_reason: str | None = None
        self.dropped_params: tuple[str, ...] = ()
        self.schema_valid: bool | None = None  # None also where that was not asked, or is unknown
        self.schema_outcome: SchemaOutcome | None = None
        # the end: what is booked, and what the client was told
        self.usage: Usage | None = None  # `answered` and `spent` together
        self.cost: int | None = None  # of all attempts; None: not priced
        self.status = 0
        self.begun_early = False  # the head of a stream is out, and nobody but `api.early_head` has written
        self.error_kind: ErrorType | None = None
        self.failure_reason: str | None = None  # for the log alone, and quotes nothing of the caller's

    def note_refusal(self, refused: RefusedBy) -> None:
        """Keep which limit refused the request, beside what it holds of others."""
        held = self.reservations
        self.reservations = lambda: with_refusal(None if held is None else held(), refused)

    def with_spent(self, usage: Usage) -> Usage:
        """Return what is booked for the request: the answer's usage and what failed attempts consumed."""
        return usage if self.spent is None else summed([self.spent, usage])

    def note_abandoned(self, usage: Usage) -> None:
        """Keep what calls consumed whose answers nobody waited for."""
        self.answered = usage if self.answered is None else summed([self.answered, usage])

    def note_provider_headers(self, headers: Mapping[str, str]) -> None:
        """Keep what the last upstream answer says of the provider's rate limits, within a bound."""
        found = [(name, value) for name, value in headers.items() if "ratelimit" in name or name in _RETRY_HEADERS]
        self.provider_headers = dict(found[:MAX_PROVIDER_HEADERS])
