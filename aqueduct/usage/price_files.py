"""Reads price lists from JSON files: our own format and the `model_prices` format that LiteLLM publishes; pure.

Our own format is a list of objects as in `OwnPrice`, or an object with that list under `prices`. The other one is an
object by model name with amounts per unit (`input_cost_per_token`, `output_cost_per_token_above_200k_tokens`, ...).
Numbers are read as decimal text, never as floating point.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, TypeGuard

import msgspec
from msgspec import Meta, Struct, structs

from aqueduct.usage.pricing import OUTPUT_METERS, PICO, PROMPT_METERS, Meter, Tier, unit_pico

PER_TOKENS: Final = 1_000_000
"""How many tokens the prices of tokens in such lists are brought to."""
START: Final = datetime(1970, 1, 1, tzinfo=UTC)
Json = str | int | Decimal | bool | list["Json"] | dict[str, "Json"] | None
_UNITS: Final[dict[str, Meter]] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_hour": "cache_write_1h",
    "input_cost_per_audio_token": "audio_input",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "audio_output",
    "output_cost_per_image_token": "image_output",
    "output_cost_per_image": "image",
    "output_cost_per_second": "second",
    "input_cost_per_second": "second",
    "input_cost_per_character": "character",
    "input_cost_per_query": "query",
    "input_cost_per_request": "request",
}
_ALIASES: Final = {
    "cache_creation_input_token_cost_above_1hr": "cache_creation_input_token_cost_hour",
    "input_cost_per_token_cache_hit": "cache_read_input_token_cost",
}
"""Names whose beginning means something else."""
_BY_SEARCH: Final = "search_context_cost_per_query"
_USUAL_SEARCH: Final = "search_context_size_medium"
_RANGES: Final = "tiered_pricing"
_OF_TOKENS: Final = frozenset((*PROMPT_METERS, *OUTPUT_METERS))
_TIERS: Final[dict[str, Tier]] = {"batches": "batch", "flex": "flex", "priority": "priority"}
_NAME: Final = re.compile(r"(?P<unit>[a-z_]+?)(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?")


class PriceFileError(ValueError):
    """A file that cannot be used; the message names the place."""


class ListedPrice(Struct, frozen=True, kw_only=True):
    """One price of a file: of a model by its public name, or of everything that calls upstream by this name."""

    model: str
    meter: Meter
    amount: Decimal
    per: int
    tier: Tier = "standard"
    above_tokens: int = 0
    valid_from: datetime = START


class OwnPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price in our own format."""

    model: str
    meter: Meter
    amount: Annotated[Decimal, Meta(description="In units of the currency, as a text or a number.")]
    per: int = 1_000_000
    tier: Tier = "standard"
    above_tokens: Annotated[int, Meta(ge=0)] = 0
    valid_from: str | None = None


def read_prices(text: str, valid_from: datetime = START) -> list[ListedPrice]:
    """Return the prices of a file; raises `PriceFileError`. `valid_from` is for those without a date of their own."""
    try:
        data: Json = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceFileError(f"is no JSON: {error}") from None
    if isinstance(data, dict) and isinstance(data.get("prices"), list):
        data = data["prices"]
    if isinstance(data, list):
        return _each_once([_own(item, index, valid_from) for index, item in enumerate(data)])
    if not isinstance(data, dict):
        raise PriceFileError("must hold a list of prices, or an object by model name")
    found = [
        structs.replace(price, valid_from=valid_from)
        for model, entry in data.items()
        if isinstance(entry, dict)
        for price in _entry(model, entry)
    ]
    if not found:
        raise PriceFileError("holds no price")
    return found


def _own(item: Json, index: int, valid_from: datetime) -> ListedPrice:
    try:
        price = msgspec.convert(item, OwnPrice, strict=False)
        if price.per not in {1, 1000, 1_000_000} or price.amount < 0:
            raise PriceFileError("per must be 1, 1000 or 1000000, and the amount not below zero")
        unit_pico(price.amount, price.per)
        since = valid_from if price.valid_from is None else _moment(price.valid_from)
    except ArithmeticError:
        raise PriceFileError(f"[{index}]: amount is no decimal number") from None
    except ValueError as error:
        raise PriceFileError(f"[{index}]: {error}") from None
    return ListedPrice(
        model=price.model,
        meter=price.meter,
        amount=price.amount,
        per=price.per,
        tier=price.tier,
        above_tokens=price.above_tokens,
        valid_from=since,
    )


def _each_once(prices: list[ListedPrice]) -> list[ListedPrice]:
    """Return prices of which no two stand for the same place: nobody can tell which of them is meant."""
    first: dict[tuple[str, Meter, Tier, int, datetime], int] = {}
    for index, price in enumerate(prices):
        place = (price.model, price.meter, price.tier, price.above_tokens, price.valid_from)
        if place in first:
            raise PriceFileError(f"[{index}]: a second price of the same place as [{first[place]}]")
        first[place] = index
    return prices


def _moment(text: str) -> datetime:
    """Return a date, or a date and time, in UTC where it has no offset; raises `ValueError`."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("valid_from must be a date such as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _entry(model: str, entry: dict[str, Json]) -> Iterator[ListedPrice]:
    """Yield the prices of one model; of two for the same place the first counts, as lists have old names beside new."""
    seen: set[tuple[Meter, Tier, int]] = set()
    for place, name, value in _cells(entry):
        amount = Decimal(value)
        if not amount.is_finite() or amount < 0 or amount >= PICO:
            raise PriceFileError(f"{model}: {name} is no price")
        if place in seen:
            continue
        seen.add(place)
        meter, tier, above = place
        exact = amount.quantize(Decimal(1).scaleb(-12))  # such lists hold what was computed in floating point
        per = PER_TOKENS if meter in _OF_TOKENS else 1
        yield ListedPrice(model=model, meter=meter, amount=exact * per, per=per, tier=tier, above_tokens=above)


def _cells(entry: dict[str, Json]) -> Iterator[tuple[tuple[Meter, Tier, int], str, int | Decimal]]:
    for name, value in entry.items():
        place = _parsed(name)
        if place is not None and _is_number(value):
            yield place, name, value
        elif name == _BY_SEARCH and isinstance(value, dict):
            usual = value.get(_USUAL_SEARCH)
            if _is_number(usual):
                yield ("query", "standard", 0), name, usual
        elif name == "input_cost_per_image" and entry.get("mode") == "embedding" and _is_number(value):
            yield ("image", "standard", 0), name, value
        elif name == _RANGES and isinstance(value, list):
            yield from _of_ranges(value)


def _of_ranges(ranges: list[Json]) -> Iterator[tuple[tuple[Meter, Tier, int], str, int | Decimal]]:
    """Yield the prices of `[{"range": [above, up to], "input_cost_per_token": ...}, ...]`."""
    for one in ranges:
        bounds = one.get("range") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(bounds, list) or not bounds or not _is_number(bounds[0]):
            continue
        for name, value in one.items():
            place = _parsed(name)
            if place is not None and _is_number(value):
                yield (place[0], place[1], int(bounds[0])), f"{_RANGES}: {name}", value


def _is_number(value: Json) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _parsed(name: str) -> tuple[Meter, Tier, int] | None:
    for alias, meant in _ALIASES.items():
        if name.startswith(alias):
            name = meant + name.removeprefix(alias)
    match = _NAME.fullmatch(name)
    meter = None if match is None else _UNITS.get(match["unit"])
    if match is None or meter is None:
        return None
    return meter, _TIERS.get(match["tier"] or "", "standard"), int(match["above"] or 0) * 1000
