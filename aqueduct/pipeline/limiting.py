"""Admission by limits: reserves the worst case of every limit of the caller, and settles what was really used."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from adapters.base import Deployment
from aqueduct.limits.account import Account
from aqueduct.limits.estimate import OutputLengths, input_tokens
from aqueduct.limits.leases import Leases
from aqueduct.limits.ledger import Held, Take
from aqueduct.limits.price import micros
from aqueduct.limits.rules import TOKEN_METRICS, Applied, LimitSet, Metric
from aqueduct.limits.telling import Standing, headers, kind_of, never_fits, refusal, standing, unavailable
from aqueduct.pipeline.admit import Demand, Reservation
from aqueduct.pipeline.attempt_log import note_cost, started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import Meter
from schemas.usage import Usage

FailOpen = Literal["none", "rates", "all"]
MAX_OUTPUT: Final = 10**9
PROMPT_METERS: Final[tuple[Meter, ...]] = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
)
OUTPUT_METERS: Final[tuple[Meter, ...]] = ("output", "reasoning", "audio_output")
Headers = list[tuple[bytes, bytes]]


class Size(Struct, frozen=True):
    """The worst case of a request. `is_open`: the client set no bound on the output."""

    requests: int
    prompt: int
    output: int
    is_open: bool


class LimitedAdmission:
    """Holds the limits of one replica."""

    def __init__(
        self,
        leases: Leases,
        *,
        fail_open: FailOpen,
        count_rejection: Callable[[str, str], None],
    ) -> None:
        """`count_rejection` is called with scope and kind (`shadow`: would have been; `unavailable`, `open`)."""
        self.leases = leases
        self._fail_open = fail_open
        self._count = count_rejection
        self.lengths = OutputLengths()

    async def admit(self, context: RequestContext, demand: Demand) -> Reservation | None:
        """Reserve, all limits or none; raises `GatewayError` 429, 400 or 503."""
        principal = context.principal
        if principal is None or not principal.limits.applied:
            return None
        applied = principal.limits.of(demand.model.name)
        if not applied:
            return None
        ledger = self.leases.ledger
        size = self._size(applied, demand)
        cost = worst_cost(context, demand.plan[0], size) if _has(applied, ("cost",)) else 0
        takes = [Take(ledger.account(one), _amount(one.limit.metric, size, cost)) for one in applied]
        takes = [self._fitted(take, size) for take in takes]
        accounts = tuple(take.account for take in takes)
        context.limit_headers = lambda: headers(accounts, ledger.now_ms)
        held = ledger.reserve(takes)
        if held is None:
            held = await self._acquire(takes)
        return LimitReservation(self, held, size, cost, context)

    async def standings(self, limits: LimitSet) -> tuple[Standing, ...]:
        """Return where a caller stands, asked anew; as last known where the store is out of reach."""
        ledger = self.leases.ledger
        accounts = [ledger.account(one) for one in limits.applied]
        if accounts:
            await self.leases.refresh(accounts)
        return tuple(standing(account, ledger.now_ms) for account in accounts)

    async def more(self, held: Sequence[Held], cost: int) -> tuple[Held, ...]:
        """Reserve further cost for another attempt; raises `GatewayError`."""
        takes = [Take(one.account, cost) for one in held if one.account.limit.metric == "cost"]
        return self.leases.ledger.reserve(takes) or await self._acquire(takes)

    def settle(self, held: Sequence[Held], actual: dict[str, int]) -> None:
        """Settle a reservation."""
        if self.leases.ledger.settle(held, actual):
            self.leases.hurry()

    def _size(self, applied: Sequence[Applied], demand: Demand) -> Size:
        weight = demand.model.request_weight
        if not (_has(applied, TOKEN_METRICS) or _has(applied, ("cost",))):
            return Size(weight, 0, 0, is_open=False)
        prompt = input_tokens(demand.prompt_chars())
        cap = demand.model.max_output_tokens or MAX_OUTPUT
        if demand.max_output is not None:
            return Size(weight, prompt, min(demand.max_output, MAX_OUTPUT), is_open=False)
        return Size(weight, prompt, min(self.lengths.usual(demand.model.catalog_name), cap), is_open=True)

    def _fitted(self, take: Take, size: Size) -> Take:
        """Refuse what never fits. An output that the client left open is reserved as far as the limit goes."""
        account, amount = take
        most = account.limit.amount
        if not account.is_enforced:
            if amount > account.remaining:
                self._count(account.limit.scope, "shadow")
            return take
        if amount <= most:
            return take
        least = {"output_tokens": 1, "total_tokens": size.prompt + 1, "cost": 1}.get(account.limit.metric, amount)
        if size.is_open and least <= most:
            return Take(account, most)
        self._count(account.limit.scope, kind_of(account.limit))
        raise never_fits(account.limit, amount)

    async def _acquire(self, takes: Sequence[Take]) -> tuple[Held, ...]:
        outcome = await self.leases.acquire(takes)
        if isinstance(outcome, tuple):
            return outcome
        ledger = self.leases.ledger
        if isinstance(outcome, Account):
            self._count(outcome.limit.scope, kind_of(outcome.limit))
            raise refusal(outcome, ledger.now_ms)
        lacking = ledger.lacking(takes)
        for account, _ in lacking:
            is_open = self._fail_open == "all" or (self._fail_open == "rates" and not account.limit.is_budget)
            self._count(account.limit.scope, "open" if is_open else outcome.value)
            if not is_open:
                raise unavailable()
        return ledger.take(takes)


class LimitReservation:
    """What one request holds."""

    __slots__ = ("_admission", "_context", "_cost", "_further", "_held", "_is_settled", "_size")

    def __init__(
        self, admission: LimitedAdmission, held: tuple[Held, ...], size: Size, cost: int, context: RequestContext
    ) -> None:
        self._admission = admission
        self._held = held
        self._further: list[tuple[int, tuple[Held, ...]]] = []
        self._size = size
        self._cost = cost
        self._context = context
        self._is_settled = False

    async def attempt(self, deployment: Deployment) -> None:
        """Check the budget for one more attempt, which another deployment may price higher."""
        if not self._holds_cost:
            return
        spent = sum(failed.cost or 0 for failed in self._context.failures)
        more = micros(spent) + worst_cost(self._context, deployment, self._size) - self._cost
        more -= sum(amount for amount, _ in self._further)
        if more > 0:
            self._further.append((more, await self._admission.more(self._held, more)))

    def settle(self, usage: Usage | None) -> None:
        """Take what was really consumed and give the rest back, once."""
        if self._is_settled:
            return
        self._is_settled = True
        usage = usage or Usage()
        prompt, output = usage.prompt_tokens or 0, usage.completion_tokens or 0
        actual = {"input_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}
        cost = 0
        if self._holds_cost:
            note_cost(self._context)
            cost = micros(self._context.cost or 0)
        for amount, held in self._further:
            part = min(max(0, cost - self._cost), amount)
            self._admission.settle(held, {"cost": part})
            cost -= part
        self._admission.settle(self._held, {**actual, "cost": cost})
        if self._size.is_open and output:
            self._admission.lengths.learn(self._context.catalog_model or "", output)

    @property
    def _holds_cost(self) -> bool:
        return any(one.account.limit.metric == "cost" for one in self._held)


def worst_cost(context: RequestContext, deployment: Deployment, size: Size) -> int:
    """Return what a request may cost at a deployment in micro-units: every token at its dearest price."""
    prices = context.price_lists.get(deployment.id) if context.price_lists else None
    if prices is None:
        return 0
    at = started_at(context)
    worst = 0
    for tier in ("standard", "priority"):
        rates = prices.rates(at, tier, size.prompt)
        if rates is not None:
            prompt = max(rates.get(meter, 0) for meter in PROMPT_METERS) * size.prompt
            output = max(rates.get(meter, 0) for meter in OUTPUT_METERS) * size.output
            worst = max(worst, prompt + output + rates.get("request", 0))
    return micros(worst)


def _has(applied: Sequence[Applied], metrics: Sequence[str] | frozenset[str]) -> bool:
    return any(one.limit.metric in metrics for one in applied)


def _amount(metric: Metric, size: Size, cost: int) -> int:
    match metric:
        case "requests":
            return size.requests
        case "input_tokens":
            return size.prompt
        case "output_tokens":
            return size.output
        case "total_tokens":
            return size.prompt + size.output
        case "cost":
            return cost
        case "concurrency":
            return 1
