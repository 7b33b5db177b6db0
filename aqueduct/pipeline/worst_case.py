"""What a request may consume of each metric at worst, and how much output an amount allows; knows no counter."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from adapters.base import Deployment
from adapters.registry import may_search
from aqueduct.limits.price import PICO_PER_MICRO, micros
from aqueduct.limits.rules import Metric
from aqueduct.pipeline.attempt_log import started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.spec import Units

MAX_OUTPUT: Final = 10**9


class Size(Struct, frozen=True):
    """The worst case of a request, in tokens but for `requests`.

    `is_open`: the client set no bound on an output that a limit bounds; then `least_output` is what will do.
    """

    requests: int
    prompt: int = 0
    output: int = 0
    least_output: int = 0
    is_open: bool = False
    answers: int = 1


def amounts_of(size: Size, output: int, cost: int) -> dict[Metric, int]:
    """Return what is reserved of each metric for so much output."""
    return {
        "requests": size.requests,
        "input_tokens": size.prompt,
        "output_tokens": output,
        "total_tokens": size.prompt + output,
        "cost": cost,
        "concurrency": 1,
    }


class Rating:
    """The dearest prices of one attempt: `prompt` tokens and other units at a deployment, and any output."""

    __slots__ = ("_prices",)

    def __init__(
        self,
        context: RequestContext,
        deployment: Deployment | None,
        prompt: int,
        units: Callable[[], Units] = Units,
    ) -> None:
        """`deployment` None: it does not matter what it costs. `units` is asked for where any has a price."""
        listed = context.price_lists.get(deployment.id) if deployment is not None and context.price_lists else None
        found = () if listed is None else listed.dearest(started_at(context), prompt)
        self._prices = [(one.prompt * prompt + one.request, one.output) for one in found]
        if deployment is not None and any(one.image or one.second or one.query for one in found):
            images, seconds, queries = _most(units(), deployment)
            self._prices = [
                (fixed + one.image * images + one.second * seconds + one.query * queries, rate)
                for one, (fixed, rate) in zip(found, self._prices, strict=True)
            ]

    def cost(self, output: int) -> int:
        """Return what so much output and the prompt may cost in micro-units, rounded up."""
        if not self._prices:
            return 0
        return micros(max([fixed + rate * output for fixed, rate in self._prices]))

    def affordable(self, cost: int) -> int:
        """Return how many tokens of output so many micro-units pay for; negative: not even the prompt."""
        left = cost * PICO_PER_MICRO
        found = MAX_OUTPUT
        for fixed, rate in self._prices:
            if fixed > left:
                return -1
            if rate:
                found = min(found, (left - fixed) // rate)
        return found


def _most(units: Units, deployment: Deployment) -> tuple[int, int, int]:
    """Return the images, seconds of audio and queries that a request can be charged for at a deployment."""
    queries = units.queries
    if units.may_search and may_search(
        deployment.adapter,
        asked=units.asks_to_search,
        has_more=units.has_more,
        forwards=deployment.extra_params == "forward",
    ):
        queries += deployment.max_queries
    several = units.answers
    return units.images * several, units.recordings * deployment.max_seconds * several, queries * several
