"""What limits cost a request, alone in this process: admission, settlement, headers and what the usage row keeps."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from msgspec import UNSET, Struct

from adapters.base import Deployment
from aqueduct.api.chat import CHAT
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.limits.batch import Answer, Batch, Line
from aqueduct.limits.leases import Leases
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.rules import Applied, Limit, LimitSet, Metric, Scope
from aqueduct.limits.windows import Window, slots_of
from aqueduct.pipeline.admit import Demand, Reservation
from aqueduct.pipeline.attempt_log import note_cost, started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.limiting import LimitedAdmission
from aqueduct.pipeline.spec import answers, max_output
from aqueduct.usage.pricing import Price, PriceList
from bench import load
from schemas.usage import Usage

REQUESTS: Final = 200
ROUNDS: Final = 200
AMOUNT: Final = 10**14
_LIMITS: Final[tuple[tuple[Scope, Metric, Window, str | None], ...]] = (
    ("org", "total_tokens", "day", None),
    ("org", "requests", "minute", "gpt"),
    ("team", "output_tokens", "minute", None),
    ("user", "cost", "month", None),
    ("token", "requests", "minute", None),
)
"""Those of `bench.admission`."""


class Parts(Struct, frozen=True):
    """CPU microseconds of a request: admission and settlement, the headers, the text of its two usage rows."""

    held: float
    headers: float
    text: float


class _Generous:
    """A store that holds whatever is asked for."""

    async def sync(self, batch: Batch) -> Answer:
        """Grant."""
        lines = [
            Line(item.limit, item.member, False, AMOUNT // 10, 0, 0, 0, 0, False, False)  # noqa: FBT003 - its columns
            for item in batch.items
        ]
        return Answer(time.time_ns() // 1_000_000, tuple(lines))

    def listen(self, called: Callable[[UUID, UUID], None]) -> None:
        """Nobody calls."""

    async def call(self, counters: Sequence[tuple[UUID, UUID]]) -> None:
        """Nobody hears."""

    async def leave(self) -> None:
        """Nothing."""

    async def settle(self) -> None:
        """Nothing."""

    def drop(self) -> None:
        """Nothing."""


def _limit(scope: Scope, metric: Metric, window: Window, model: str | None) -> Limit:
    return Limit(
        id=uuid4(),
        scope=scope,
        name=scope,
        metric=metric,
        amount=AMOUNT,
        window=window,
        slots=slots_of(window, calendar=metric == "cost"),
        model=model,
    )


class _Request(Struct, frozen=True, kw_only=True):
    """What each request has in common."""

    admission: LimitedAdmission
    principal: Principal
    prices: Mapping[str, PriceList]
    demand: Demand
    usage: Usage

    async def run(self, spent_ns: list[int]) -> None:
        """Pass the stages as the pipeline does, and add up the time of each part."""
        context = RequestContext(str(uuid4()), "/v1/chat/completions", "chat")
        context.principal, context.price_lists = self.principal, self.prices
        context.model = context.catalog_model = "gpt"
        context.deployment_id, context.attempts = "d", 1
        started_at(context)
        begun = time.perf_counter_ns()
        reservation = await self.admission.admit(context, self.demand)
        admitted = time.perf_counter_ns()
        kept = _kept(context)
        opened = time.perf_counter_ns()
        context.answered = context.usage = self.usage
        note_cost(context)
        answered = time.perf_counter_ns()
        _settle(reservation, self.usage)
        settled = time.perf_counter_ns()
        if context.limit_headers is not None:
            context.limit_headers()
        told = time.perf_counter_ns()
        kept += _kept(context)
        closed = time.perf_counter_ns()
        for place, part in enumerate(
            ((admitted - begun) + (settled - answered), told - settled, (opened - admitted) + (closed - told))
        ):
            spent_ns[place] += part


def _kept(context: RequestContext) -> int:
    return 0 if context.reservations is None else len(context.reservations())


def _settle(reservation: Reservation | None, usage: Usage) -> None:
    if reservation is not None:
        reservation.settle(usage)


def _common(admission: LimitedAdmission) -> _Request:
    request = CHAT.decoder.decode(load.body(load.Target(port=0), "plain"))[0]
    deployment = Deployment(id="d", model="gpt", provider="p", adapter="a", upstream_model="gpt")
    model = ResolvedModel(
        id=UUID(int=0),
        name="gpt",
        catalog_name="gpt",
        created=0,
        owned_by="",
        operations=frozenset(),
        context_window=None,
        max_output_tokens=None,
        request_weight=1,
        extra_params="drop",
        deployments=(),
    )
    since = datetime(2020, 1, 1, tzinfo=UTC)
    return _Request(
        admission=admission,
        principal=Principal(
            token_id=uuid4(),
            token_name="t",  # noqa: S106 - a name
            owner_kind="user",
            org_id=uuid4(),
            org_slug="o",
            limits=LimitSet(Applied(_limit(*each), uuid4()) for each in _LIMITS),
        ),
        prices={"d": PriceList([Price("input", 10**6, since), Price("output", 2 * 10**6, since)])},
        demand=Demand(
            model, answers(request), (deployment,), partial(CHAT.reserved_chars, request), max_output(request)
        ),
        usage=Usage(prompt_tokens=180, completion_tokens=180, raw=UNSET),
    )


async def _measured() -> Parts:
    ledger = Ledger(lambda: time.monotonic_ns() // 1_000_000, ttl_ms=10**9, report_ms=1_000)
    leases = Leases(ledger, _Generous(), report_s=1.0)
    await leases.start()
    common = _common(
        LimitedAdmission(leases, uuid4(), fail_open="none", currency="USD", count_rejection=lambda *_: None)
    )
    await common.run([0, 0, 0])
    rounds: list[list[int]] = []
    for _ in range(ROUNDS):
        spent_ns = [0, 0, 0]
        for _ in range(REQUESTS):
            await common.run(spent_ns)
        rounds.append(spent_ns)
        await asyncio.sleep(0)
    await leases.aclose()
    return Parts(*(min(part) / REQUESTS / 1_000 for part in zip(*rounds, strict=True)))


def parts() -> Parts:
    """Return the cheapest of some rounds: whatever else runs on the machine only adds."""
    return asyncio.run(_measured())


def main() -> None:
    """Measure and print."""
    found = parts()
    print(  # noqa: T201
        f"alone in a process: admission and settlement {found.held:.1f} us, headers {found.headers:.1f} us,"
        f" for the usage rows {found.text:.1f} us"
    )


if __name__ == "__main__":
    main()
