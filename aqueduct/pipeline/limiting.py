"""Admission by limits: reserves the worst case of every limit of the caller, and settles what was really used."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal
from uuid import UUID

from aqueduct.limits.account import Account
from aqueduct.limits.counters import Counters, KnownCounters
from aqueduct.limits.estimate import LEAST_OUTPUT, OutputLengths, input_tokens, open_output
from aqueduct.limits.held import Held, Take
from aqueduct.limits.leases import Leases
from aqueduct.limits.rules import LimitSet
from aqueduct.limits.telling import Standing, header_lines, kind_of, limits_unavailable, never_fits, refusal, standing
from aqueduct.pipeline.admit import Demand, Reservation
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.reservation import LimitReservation
from aqueduct.pipeline.worst_case import MAX_OUTPUT, Rating, Size, amounts_of

FailOpen = Literal["none", "rates", "all"]


class LimitedAdmission:
    """Holds the limits of one replica."""

    def __init__(
        self,
        leases: Leases,
        replica: UUID,
        *,
        fail_open: FailOpen,
        currency: str,
        count_rejection: Callable[[str, str], None],
    ) -> None:
        """`count_rejection` is called with scope and kind (`shadow`: would have been; `unavailable`, `open`)."""
        self.leases = leases
        self.replica = replica
        self._fail_open = fail_open
        self._currency = currency
        self._count = count_rejection
        self._counters = KnownCounters(leases.ledger, replica)
        self.lengths = OutputLengths()

    async def admit(self, context: RequestContext, demand: Demand) -> Reservation | None:
        """Reserve, all limits or none; raises `GatewayError` 429, 400 or 503."""
        principal = context.principal
        if principal is None or not principal.limits.applied:
            return None
        counters = self._counters.of(principal.limits.of(demand.model.name))
        if not counters.accounts:
            return None
        ledger = self.leases.ledger
        size, rating = self._size(counters, demand, context)
        takes = self._takes(counters, size, rating)
        context.limit_headers = lambda: header_lines(counters, ledger.now_ms)
        held = ledger.reserve(takes)
        if held is None:
            held = await self._acquire(takes)
        return LimitReservation(self, counters, held, size, rating, context)

    async def standings(self, limits: LimitSet) -> tuple[Standing, ...]:
        """Return where a caller stands, asked anew; as last known where the store is out of reach."""
        ledger = self.leases.ledger
        accounts = [ledger.account(one, limits.version) for one in limits.applied]
        if accounts:
            await self.leases.refresh(accounts)
        return tuple(standing(account, ledger.now_ms) for account in accounts)

    async def more(self, takes: Sequence[Take], *, cuts: bool) -> tuple[Held, ...]:
        """Reserve further credits; raises `GatewayError`. `cuts`: without them an answer ends early."""
        return self.leases.ledger.reserve(takes) or await self._acquire(takes, cuts=cuts)

    def settle(self, held: Sequence[Held], actual: Mapping[str, int], further: Sequence[Held] = ()) -> None:
        """Settle a reservation."""
        if self.leases.ledger.settle(held, actual, further):
            self.leases.hurry()

    def _size(self, counters: Counters, demand: Demand, context: RequestContext) -> tuple[Size, Rating]:
        model, weight, several = demand.model, demand.model.request_weight, demand.answers
        if not counters.is_measured:
            return Size(weight), Rating(context, None, 0)
        prompt = min(input_tokens(demand.prompt_chars()) * several, MAX_OUTPUT)
        rating = Rating(context, demand.plan[0] if counters.budgets else None, prompt, demand.units)
        if demand.max_output is not None:
            output = min(demand.max_output, MAX_OUTPUT)
            return Size(weight, prompt, output, output, answers=several), rating
        cap = model.max_output_tokens
        if model.context_window is not None:
            cap = min(cap or MAX_OUTPUT, max(LEAST_OUTPUT, model.context_window - prompt))
        usual = self.lengths.usual(model.catalog_name)
        smallest = _smallest(counters.smallest, prompt, rating)
        if smallest is None:  # nothing is enforced that the output counts against
            output = usual if cap is None else min(usual, cap)
            return Size(weight, prompt, output, output, answers=several), rating
        most = max(1, smallest)
        output, least = open_output(usual, cap, smallest)
        return Size(weight, prompt, min(output, most), min(least, most), is_open=True, answers=several), rating

    def _takes(self, counters: Counters, size: Size, rating: Rating) -> list[Take]:
        """Return what to reserve; refuses what never fits."""
        amounts = leasts = amounts_of(size, size.output, rating.cost(size.output))
        if size.is_open:
            leasts = amounts_of(size, size.least_output, rating.cost(size.least_output))
        takes: list[Take] = []
        for account in counters.accounts:
            metric, limit = account.metric, account.limit
            amount, least = amounts[metric], leasts[metric]
            if not account.is_enforced:
                if least > account.remaining:
                    self._count(limit.scope, "shadow")
            elif least > limit.amount:
                self._count(limit.scope, kind_of(limit))
                raise never_fits(limit, least, self._currency)
            takes.append(Take(account, min(amount, limit.amount), least) if least < amount else Take(account, amount))
        return takes

    async def _acquire(self, takes: Sequence[Take], *, cuts: bool = False) -> tuple[Held, ...]:
        outcome = await self.leases.acquire(takes)
        if isinstance(outcome, tuple):
            return outcome
        ledger = self.leases.ledger
        if isinstance(outcome, Account):
            self._count(outcome.limit.scope, "cut" if cuts else kind_of(outcome.limit))
            needed = sum(take.needed for take in takes if take.account is outcome)
            raise refusal(outcome, ledger.now_ms, self._currency, needed)
        takes = ledger.reduced(takes)
        for account in [take.account for take in ledger.lacking(takes)]:
            is_open = self._fail_open == "all" or (self._fail_open == "rates" and not account.limit.is_budget)
            self._count(account.limit.scope, "open" if is_open else outcome.value)
            if not is_open:
                raise limits_unavailable()
        return ledger.take(takes)


def _smallest(limits: Mapping[str, int], prompt: int, rating: Rating) -> int | None:
    """Return how many tokens of output the limits allow at most, were all of each still there; None: any number.

    `limits` gives the lowest enforced amount of each metric.
    """
    found = MAX_OUTPUT
    if "output_tokens" in limits:
        found = min(found, limits["output_tokens"])
    if "total_tokens" in limits:
        found = min(found, limits["total_tokens"] - prompt)
    if "cost" in limits:
        found = min(found, rating.affordable(limits["cost"]))
    return None if found >= MAX_OUTPUT else found
