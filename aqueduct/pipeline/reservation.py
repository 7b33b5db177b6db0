"""What one request holds of its limits, from its admission until it is settled; decides on no request of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from adapters.base import Deployment
from aqueduct.errors import GatewayError
from aqueduct.limits.account import Account
from aqueduct.limits.counters import Counters, once_settled, while_open
from aqueduct.limits.estimate import OutputLengths, input_tokens
from aqueduct.limits.held import Held, Take
from aqueduct.limits.price import micros
from aqueduct.limits.reserved import RefusedBy, with_refusal
from aqueduct.limits.rules import MAX_AMOUNT
from aqueduct.limits.telling import LimitReachedError
from aqueduct.pipeline.attempt_log import note_cost
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.spec import Units
from aqueduct.pipeline.worst_case import MAX_OUTPUT, Rating, Size
from schemas.usage import Usage

LEAST_SLICE: Final = 256
SLICE_SHARE: Final = 4
"""An output that grows beyond its reservation reserves a part of it more."""


class Holder(Protocol):
    """Where a reservation comes from."""

    lengths: OutputLengths

    async def more(self, takes: Sequence[Take], *, cuts: bool) -> tuple[Held, ...]:
        """Reserve further credits, all or none; raises `GatewayError`. `cuts`: without them an answer ends early."""
        ...

    def settle(self, held: Sequence[Held], actual: Mapping[str, int], further: Sequence[Held]) -> None:
        """Settle what was held first and further."""
        ...


class LimitReservation:
    """What one request holds. `max_output` is what it may write where the client set no bound."""

    __slots__ = (
        "_actual",
        "_ceiling",
        "_context",
        "_counters",
        "_cut_by",
        "_further",
        "_held",
        "_holder",
        "_is_settled",
        "_kept",
        "_prompt",
        "_rating",
        "_size",
        "max_output",
    )

    def __init__(
        self,
        holder: Holder,
        counters: Counters,
        held: tuple[Held, ...],
        size: Size,
        rating: Rating,
        context: RequestContext,
    ) -> None:
        """`held` is of the `counters`, in their order."""
        self._holder = holder
        self._counters = counters
        self._held = held
        self._further: tuple[Held, ...] = ()
        self._size = size
        self._prompt = size.prompt
        self._ceiling = size.output
        self._rating = rating
        self._context = context
        self._actual: Mapping[str, int] | None = None
        self._is_settled = False
        self._kept: str | None = None
        self._cut_by: RefusedBy | None = None
        context.reservations = self.as_json
        self.max_output: int | None = self._allowed() if size.is_open else None

    async def attempt(
        self, deployment: Deployment, prompt_chars: Callable[[], int], units: Callable[[], Units]
    ) -> None:
        """Check tokens and cost for one more attempt: others may have consumed some, and its price may be higher."""
        if not self._size.prompt:
            return
        self._prompt = max(self._size.prompt, input_tokens(prompt_chars()) * self._size.answers)
        self._rating = Rating(self._context, deployment, self._prompt, units)
        await self._reserve(self._ceiling, self._size.least_output, cuts=False)

    async def extend(self, output: int) -> bool:
        """Raise `max_output` to so many tokens or more; False where that cannot be reserved: the answer must end."""
        if self.max_output is None or output <= self.max_output:
            return True
        self._ceiling = output + max(LEAST_SLICE, output // SLICE_SHARE)
        try:
            await self._reserve(self._ceiling, output, cuts=True)
        except LimitReachedError as error:
            self._cut_by = error.refused
            return False
        except GatewayError:
            return False
        return True

    def narrow(self) -> bool:
        """Lower `max_output` to the least that will do, once; False where it cannot be lowered."""
        least = self._size.least_output
        if self.max_output is None or self.max_output <= least:
            return False
        self.max_output = self._ceiling = least
        return True

    def settle(self, usage: Usage | None) -> None:
        """Take what was really consumed and give the rest back, once."""
        if self._is_settled:
            return
        self._is_settled = True
        prompt, output = _tokens(usage)
        total = min(prompt + output, MAX_AMOUNT)
        actual = {"input_tokens": prompt, "output_tokens": output, "total_tokens": total, "cost": 0}
        if self._counters.budgets:
            if self._context.cost is None:
                note_cost(self._context)
            actual["cost"] = _within(self._counters.charged(self._context.cost or 0))
        self._actual = actual
        self._holder.settle(self._held, actual, self._further)
        if self._size.is_open and output:
            self._holder.lengths.learn(self._context.catalog_model or "", output)

    def as_json(self) -> str:
        """Return what the usage row keeps of it: see `aqueduct.limits.reserved`."""
        if self._kept is None:
            self._kept = self._counters.kept(self._held)
        if self._actual is None:
            return while_open(self._kept, self._held, self._further)
        settled = once_settled(self._kept, self._held, self._actual, self._further)
        return settled if self._cut_by is None else with_refusal(settled, self._cut_by)

    async def _reserve(self, output: int, least_output: int, *, cuts: bool) -> None:
        """Reserve what is missing for so much output of the present attempt, or at least for `least_output`."""
        have = self._amounts()
        takes: list[Take] = []
        for account, amount in have.items():
            more = self._needed(account, output) - amount
            if more > 0:
                least = max(0, self._needed(account, least_output) - amount) if self._size.is_open else more
                takes.append(Take(account, more, least))
        if takes:
            self._further += await self._holder.more(takes, cuts=cuts)
        if self._size.is_open:
            self.max_output = self._allowed()

    def _amounts(self) -> dict[Account, int]:
        found: dict[Account, int] = {}
        for one in (*self._held, *self._further):
            found[one.account] = found.get(one.account, 0) + one.amount
        return found

    def _needed(self, account: Account, output: int) -> int:
        """Return what attempts have consumed of a metric, and the present one may at worst; 0: it needs no more."""
        prompt_spent, output_spent = _tokens(self._context.spent)
        match account.metric:
            case "input_tokens":
                return prompt_spent + self._prompt
            case "output_tokens":
                return output_spent + output
            case "total_tokens":
                return prompt_spent + self._prompt + output_spent + output
            case "cost":
                return self._cost_spent() + self._rating.cost(output)
            case _:
                return 0

    def _allowed(self) -> int:
        """Return how much output what is held allows."""
        prompt_spent, output_spent = _tokens(self._context.spent)
        found = self._ceiling
        amounts = self._amounts().items() if self._further else [(one.account, one.amount) for one in self._held]
        for account, amount in amounts:
            if not account.is_enforced:
                continue
            match account.metric:
                case "output_tokens":
                    found = min(found, amount - output_spent)
                case "total_tokens":
                    found = min(found, amount - prompt_spent - self._prompt - output_spent)
                case "cost":
                    found = min(found, self._rating.affordable(amount - self._cost_spent()))
                case _:
                    pass
        return min(max(1, found), MAX_OUTPUT)

    def _cost_spent(self) -> int:
        return micros(sum(failed.cost or 0 for failed in self._context.failures))


def _tokens(usage: Usage | None) -> tuple[int, int]:
    return (0, 0) if usage is None else (_within(usage.prompt_tokens or 0), _within(usage.completion_tokens or 0))


def _within(amount: int) -> int:
    """Return an amount that a counter can take: providers may report anything, and what breaks one breaks all."""
    return amount if 0 <= amount <= MAX_AMOUNT else max(0, min(amount, MAX_AMOUNT))
