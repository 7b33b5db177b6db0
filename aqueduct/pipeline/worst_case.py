"""What a request may consume of each metric at worst, and how much output an amount allows; knows no counter."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from adapters.base import Deployment
from aqueduct.limits.price import PICO_PER_MICRO, micros
from aqueduct.limits.rules import Metric
from aqueduct.pipeline.attempt_log import started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import Meter, PriceList, Tier

MAX_OUTPUT: Final = 10**9
PROMPT_METERS: Final[tuple[Meter, ...]] = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
)
OUTPUT_METERS: Final[tuple[Meter, ...]] = ("output", "reasoning", "audio_output", "image_output")
TIERS: Final[tuple[Tier, ...]] = ("standard", "priority")


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


def amount_of(metric: Metric, size: Size, output: int, cost: int) -> int:
    """Return what is reserved of a metric for so much output."""
    match metric:
        case "requests":
            return size.requests
        case "input_tokens":
            return size.prompt
        case "output_tokens":
            return output
        case "total_tokens":
            return size.prompt + output
        case "cost":
            return cost
        case "concurrency":
            return 1


class Rating:
    """The dearest prices of one attempt: `prompt` tokens at a deployment, and any output."""

    __slots__ = ("_prices",)

    def __init__(self, context: RequestContext, deployment: Deployment, prompt: int) -> None:
        listed = context.price_lists.get(deployment.id) if context.price_lists else None
        at = started_at(context)
        self._prices = () if listed is None else tuple(_dearest(listed, at, tier, prompt) for tier in TIERS)

    def cost(self, output: int) -> int:
        """Return what so much output and the prompt may cost in micro-units, rounded up."""
        worst = 0
        for fixed, rate in self._prices:
            worst = max(worst, fixed + rate * output)
        return micros(worst)

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


def _dearest(listed: PriceList, at: datetime, tier: Tier, prompt: int) -> tuple[int, int]:
    """Return what a request costs without its output, and what a token of that costs, in pico-units."""
    rates = listed.rates(at, tier, prompt)
    if rates is None:
        return 0, 0
    fixed = max([rates.get(meter, 0) for meter in PROMPT_METERS]) * prompt + rates.get("request", 0)
    return fixed, max([rates.get(meter, 0) for meter in OUTPUT_METERS])
