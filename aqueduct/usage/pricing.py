"""What usage costs: pure, in whole pico-units of the currency (10**-12), so that nothing is ever rounded.

A price list belongs to one deployment. Its rows are dated, per meter, per tier and per context band; a request is
priced by the rows that were valid when it began, and all its tokens by the band that its prompt falls in. The meters
are the parts of the two totals and sum up to them exactly, whatever details a provider reports:

    prompt_tokens       cache_read + cache_write_1h + cache_write_5m + audio_input + image_input + input
    completion_tokens   reasoning + audio_output + image_output + output

A part without a price of its own costs what `FALLBACKS` names, so a list with `input` and `output` prices everything.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import Struct

from schemas.usage import Usage, has_details

Meter = Literal[
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "image_output",
    "image",
    "second",
    "character",
    "query",
    "request",
]
Tier = Literal["standard", "batch", "flex", "priority"]
METERS: Final[tuple[Meter, ...]] = Meter.__args__  # type: ignore[attr-defined]  # what a Literal is made of
TIERS: Final[tuple[Tier, ...]] = Tier.__args__  # type: ignore[attr-defined]  # as above
PROMPT_METERS: Final[tuple[Meter, ...]] = METERS[: METERS.index("output")]
OUTPUT_METERS: Final[tuple[Meter, ...]] = METERS[METERS.index("output") : METERS.index("image")]
FALLBACKS: Final[Mapping[Meter, Meter]] = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "cache_write_5m",
    "audio_input": "input",
    "image_input": "input",
    "reasoning": "output",
    "audio_output": "output",
    "image_output": "output",
}
PICO: Final = 10**12
Rates = Mapping[Meter, int]
"""Pico-units of the currency per unit of a meter."""
Quantities = Mapping[Meter, int]


class Price(Struct, frozen=True):
    """One dated price: `pico` per unit, for prompts of more than `above_tokens` tokens."""

    meter: Meter
    pico: int
    valid_from: datetime
    tier: Tier = "standard"
    above_tokens: int = 0


class Line(Struct, frozen=True):
    """One line of a bill, in pico-units."""

    meter: Meter
    quantity: int
    rate: int

    @property
    def cost(self) -> int:
        """Quantity times rate."""
        return self.quantity * self.rate


class Dearest(Struct, frozen=True):
    """The most that a request can be charged, in pico-units: per token, for itself, and per unit of another kind."""

    prompt: int
    output: int
    request: int
    image: int
    second: int
    query: int


class _Period(Struct, frozen=True):
    """The rates of one period by tier: the bands' lower bounds in order, and their rates."""

    bands: Mapping[Tier, tuple[tuple[int, ...], tuple[Rates, ...]]]
    texts: Mapping[Tier, tuple[str, ...]]
    """The rates in JSON, as an attempt's row keeps them."""
    dearest: tuple[tuple[int, ...], tuple[tuple[Dearest, ...], ...]]
    """The bounds of all tiers' bands together, and what each tier's rates come to there; equal ones once."""


class PriceList:
    """The prices of one deployment over time. A period is worked out when a request is first priced by it."""

    def __init__(self, prices: Iterable[Price], before: "PriceList | None" = None) -> None:
        """`before` has the prices of the time before the first of these."""
        rows = sorted(prices, key=lambda price: price.valid_from)
        self._since = sorted({price.valid_from for price in rows})
        self._rows = rows
        self._before = before
        self._periods: dict[int, _Period] = {}

    def rates(self, at: datetime, tier: Tier, prompt_tokens: int) -> Rates | None:
        """Return the rates of a request; None where nothing was priced then."""
        place = bisect_right(self._since, at) - 1
        if place < 0:
            return None if self._before is None else self._before.rates(at, tier, prompt_tokens)
        bounds, rates = self._period(place).bands[tier]
        return rates[max(0, bisect_left(bounds, prompt_tokens) - 1)]

    def dearest(self, at: datetime, prompt_tokens: int) -> tuple[Dearest, ...]:
        """Return what a request can be charged by, whatever tier serves it; nothing where nothing was priced then."""
        place = bisect_right(self._since, at) - 1
        if place < 0:
            return () if self._before is None else self._before.dearest(at, prompt_tokens)
        bounds, found = self._period(place).dearest
        return found[max(0, bisect_left(bounds, prompt_tokens) - 1)]

    def rates_json(self, at: datetime, tier: Tier, prompt_tokens: int) -> str | None:
        """Return the rates of a request in JSON: the same text each time."""
        place = bisect_right(self._since, at) - 1
        if place < 0:
            return None if self._before is None else self._before.rates_json(at, tier, prompt_tokens)
        period = self._period(place)
        return period.texts[tier][max(0, bisect_left(period.bands[tier][0], prompt_tokens) - 1)]

    def _period(self, place: int) -> _Period:
        period = self._periods.get(place)
        if period is None:
            since = self._since[place]
            period = self._periods[place] = _period([row for row in self._rows if row.valid_from <= since])
        return period


def unit_pico(amount: Decimal, per: int) -> int:
    """Return the rate of `amount` per so many units; raises `ValueError` where it is no whole number of pico-units."""
    pico, rest = divmod(amount * PICO, per)
    if rest:
        raise ValueError(f"{amount} per {per} has more than 12 decimal places per unit")
    return int(pico)


def to_decimal(pico: int) -> Decimal:
    """Return an amount in units of the currency."""
    return Decimal(pico).scaleb(-12)


def to_text(pico: int) -> str:
    """Return an amount in units of the currency without exponent and trailing zeros, such as `0.0000125`."""
    text = f"{to_decimal(pico):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def tier_of(service_tier: str | None) -> Tier:
    """Return the tier that a provider says it served."""
    return service_tier if service_tier in TIERS else "standard"


def quantities(usage: Usage) -> dict[Meter, int]:
    """Return the parts of a usage. Overlapping details are cut, those that cost most cautiously first."""
    prompt = max(0, usage.prompt_tokens or 0)
    written = max(0, usage.cache_write_tokens or 0)
    written_1h = min(written, max(0, usage.cache_write_1h_tokens or 0))
    found: dict[Meter, int] = {}
    rest = prompt
    parts: tuple[tuple[Meter, int | None], ...] = (
        ("cache_read", usage.cached_tokens),
        ("cache_write_1h", written_1h),
        ("cache_write_5m", written - written_1h),
        ("audio_input", usage.prompt_audio_tokens),
        ("image_input", usage.prompt_image_tokens),
    )
    for meter, value in parts:
        rest = _take(found, meter, value, rest)
    found["input"] = rest
    rest = max(0, usage.completion_tokens or 0)
    rest = _take(found, "reasoning", usage.reasoning_tokens, rest)
    rest = _take(found, "audio_output", usage.completion_audio_tokens, rest)
    rest = _take(found, "image_output", usage.completion_image_tokens, rest)
    found["output"] = rest
    if usage.queries or usage.images or usage.seconds:
        units: tuple[tuple[Meter, int | None], ...] = (
            ("image", usage.images),
            ("second", usage.seconds),
            ("query", usage.queries),
        )
        found |= {meter: value for meter, value in units if value and value > 0}
    found["request"] = 1
    return found


def lines(amounts: Quantities, rates: Rates) -> tuple[Line, ...]:
    """Return the lines of a bill; meters that are not priced, and what was not used, have none."""
    return tuple(Line(meter, amounts[meter], rates[meter]) for meter in METERS if amounts.get(meter) and meter in rates)


def cost(usage: Usage, prices: PriceList, at: datetime, tier: Tier = "standard") -> int | None:
    """Return what a usage costs, None where it is not priced."""
    rates = prices.rates(at, tier, usage.prompt_tokens or 0)
    if rates is None:
        return None
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if prompt >= 0 <= completion and not has_details(usage):
        return prompt * rates.get("input", 0) + completion * rates.get("output", 0) + rates.get("request", 0)
    return sum(amount * rates.get(meter, 0) for meter, amount in quantities(usage).items())


def _take(found: dict[Meter, int], meter: Meter, value: int | None, rest: int) -> int:
    """Note a part, at most what is left of its total; returns what is left then."""
    if not value or value < 0:
        return rest
    part = min(value, rest)
    if part:
        found[meter] = part
    return rest - part


def _period(rows: list[Price]) -> _Period:
    """Return the rates that hold once all rows are valid; the later of two rows of the same place wins."""
    latest: dict[tuple[Tier, int, Meter], int] = {(row.tier, row.above_tokens, row.meter): row.pico for row in rows}
    bands: dict[Tier, tuple[tuple[int, ...], tuple[Rates, ...]]] = {}
    for tier in TIERS:
        bounds = tuple(sorted({0} | {above for its_tier, above, _ in latest if its_tier in {tier, "standard"}}))
        bands[tier] = (bounds, tuple(_rates(latest, tier, bound) for bound in bounds))
    texts: dict[Tier, tuple[str, ...]] = {
        tier: tuple(msgspec.json.encode(one).decode() for one in rates) for tier, (_, rates) in bands.items()
    }
    return _Period(bands, texts, _dearest(bands))


def _dearest(
    bands: Mapping[Tier, tuple[tuple[int, ...], tuple[Rates, ...]]],
) -> tuple[tuple[int, ...], tuple[tuple[Dearest, ...], ...]]:
    every = tuple(sorted({bound for bounds, _ in bands.values() for bound in bounds}))
    found: list[tuple[Dearest, ...]] = []
    for bound in every:
        rates = [of_tier[bisect_right(bounds, bound) - 1] for bounds, of_tier in bands.values()]
        found.append(tuple({_most(one): None for one in rates}))
    return every, tuple(found)


def _most(rates: Rates) -> Dearest:
    return Dearest(
        prompt=max([rates.get(meter, 0) for meter in PROMPT_METERS]),
        output=max([rates.get(meter, 0) for meter in OUTPUT_METERS]),
        request=rates.get("request", 0),
        image=rates.get("image", 0),
        second=rates.get("second", 0),
        query=rates.get("query", 0),
    )


def _rates(latest: Mapping[tuple[Tier, int, Meter], int], tier: Tier, bound: int) -> Rates:
    """Return the rates of a tier and band: its own, else those of a lower band, else the standard tier's."""
    rates: dict[Meter, int] = {}
    for its_tier in ("standard", tier):
        for (row_tier, above, meter), pico in sorted(latest.items(), key=lambda item: item[0][1]):
            if row_tier == its_tier and above <= bound:
                rates[meter] = pico
    for meter in ("cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "image_input", *_OUTPUT_PARTS):
        if meter not in rates and FALLBACKS[meter] in rates:
            rates[meter] = rates[FALLBACKS[meter]]
    return rates


_OUTPUT_PARTS: Final[tuple[Meter, ...]] = ("reasoning", "audio_output", "image_output")
