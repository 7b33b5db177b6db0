"""What a request may consume of each metric at worst, and how much output an amount allows; knows no counter."""

from typing import Final

from msgspec import Struct

from adapters.base import Deployment
from aqueduct.limits.price import PICO_PER_MICRO, micros
from aqueduct.limits.rules import Metric
from aqueduct.pipeline.attempt_log import started_at
from aqueduct.pipeline.context import RequestContext

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
    """The dearest prices of one attempt: `prompt` tokens at a deployment, and any output."""

    __slots__ = ("_prices",)

    def __init__(self, context: RequestContext, deployment: Deployment | None, prompt: int) -> None:
        """`deployment` None: it does not matter what it costs."""
        listed = context.price_lists.get(deployment.id) if deployment is not None and context.price_lists else None
        found = () if listed is None else listed.dearest(started_at(context), prompt)
        self._prices = [(one.prompt * prompt + one.request, one.output) for one in found]

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
