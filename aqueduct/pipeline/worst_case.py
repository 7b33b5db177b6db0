"""What a request may consume of each metric at worst, and how much output an amount allows; knows no counter."""

from typing import Final

from msgspec import Struct

from adapters.base import Deployment
from aqueduct.limits.price import PICO_PER_MICRO, micros
from aqueduct.limits.rules import Metric
from aqueduct.pipeline.attempt_log import started_at
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import Meter, Tier

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


def worst_cost(context: RequestContext, deployment: Deployment, prompt: int, output: int) -> int:
    """Return what so many tokens may cost at a deployment in micro-units: each at its dearest price."""
    return micros(max((fixed + rate * output for fixed, rate in _prices(context, deployment, prompt)), default=0))


def affordable(context: RequestContext, deployment: Deployment, prompt: int, cost: int) -> int:
    """Return how many tokens of output so many micro-units pay for at worst; negative: not even the prompt."""
    left = cost * PICO_PER_MICRO
    found = MAX_OUTPUT
    for fixed, rate in _prices(context, deployment, prompt):
        if fixed > left:
            return -1
        found = min(found, (left - fixed) // rate if rate else MAX_OUTPUT)
    return found


def _prices(context: RequestContext, deployment: Deployment, prompt: int) -> list[tuple[int, int]]:
    """Return, for each tier, what the request costs without its output and what a token of that costs, in pico."""
    prices = context.price_lists.get(deployment.id) if context.price_lists else None
    if prices is None:
        return []
    at = started_at(context)
    found: list[tuple[int, int]] = []
    for tier in TIERS:
        rates = prices.rates(at, tier, prompt)
        if rates is not None:
            fixed = max(rates.get(meter, 0) for meter in PROMPT_METERS) * prompt + rates.get("request", 0)
            found.append((fixed, max(rates.get(meter, 0) for meter in OUTPUT_METERS)))
    return found
