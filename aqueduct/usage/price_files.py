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
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from aqueduct.usage.pricing import PICO, Meter, Tier, unit_pico

START: Final = datetime(1970, 1, 1, tzinfo=UTC)
Json = str | int | Decimal | bool | list["Json"] | dict[str, "Json"] | None
_UNITS: Final[dict[str, Meter]] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
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
_WRITE_1H: Final = "cache_creation_input_token_cost_above_1hr"
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
    valid_from: datetime = START


def read_prices(text: str) -> list[ListedPrice]:
    """Return the prices of a file; raises `PriceFileError`."""
    try:
        data: Json = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceFileError(f"is no JSON: {error}") from None
    if isinstance(data, dict) and isinstance(data.get("prices"), list):
        data = data["prices"]
    if isinstance(data, list):
        return [_own(item, index) for index, item in enumerate(data)]
    if not isinstance(data, dict):
        raise PriceFileError("must hold a list of prices, or an object by model name")
    found = [price for model, entry in data.items() if isinstance(entry, dict) for price in _entry(model, entry)]
    if not found:
        raise PriceFileError("holds no price")
    return found


def _own(item: Json, index: int) -> ListedPrice:
    try:
        price = msgspec.convert(item, OwnPrice, strict=False)
        if price.per not in {1, 1000, 1_000_000} or price.amount < 0:
            raise PriceFileError("per must be 1, 1000 or 1000000, and the amount not below zero")
        unit_pico(price.amount, price.per)
    except (ValueError, ArithmeticError) as error:
        raise PriceFileError(f"[{index}]: {error}") from None
    valid_from = price.valid_from if price.valid_from.tzinfo else price.valid_from.replace(tzinfo=UTC)
    return ListedPrice(
        model=price.model,
        meter=price.meter,
        amount=price.amount,
        per=price.per,
        tier=price.tier,
        above_tokens=price.above_tokens,
        valid_from=valid_from,
    )


def _entry(model: str, entry: dict[str, Json]) -> Iterator[ListedPrice]:
    seen: set[tuple[Meter, Tier, int]] = set()
    for name, value in entry.items():
        parsed = _parsed(name)
        if parsed is None or isinstance(value, bool) or not isinstance(value, int | Decimal) or parsed in seen:
            continue
        meter, tier, above = parsed
        amount = Decimal(value)
        if not amount.is_finite() or amount < 0 or amount >= PICO:
            raise PriceFileError(f"{model}: {name} is no price")
        seen.add(parsed)
        yield ListedPrice(model=model, meter=meter, amount=_to_pico(amount), per=1, tier=tier, above_tokens=above)


def _parsed(name: str) -> tuple[Meter, Tier, int] | None:
    if name == _WRITE_1H:
        return "cache_write_1h", "standard", 0
    match = _NAME.fullmatch(name)
    meter = None if match is None else _UNITS.get(match["unit"])
    if match is None or meter is None:
        return None
    return meter, _TIERS.get(match["tier"] or "", "standard"), int(match["above"] or 0) * 1000


def _to_pico(amount: Decimal) -> Decimal:
    """Return an amount with 12 decimal places: such lists hold what was computed in floating point."""
    return amount.quantize(Decimal(1).scaleb(-12))
