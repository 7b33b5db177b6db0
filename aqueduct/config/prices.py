"""What a price of the file means and what identifies it; pure, must not know records or the database."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from aqueduct.config import document as doc
from aqueduct.usage.price_files import START
from aqueduct.usage.pricing import unit_pico

MAX_BAND: Final = 2_000_000_000
UNITS: Final = (1, 1_000, 1_000_000)
Reason = tuple[str, str]


def deployment_name(model: str, provider: str, upstream: str) -> str:
    """Return the name that identifies a deployment."""
    return f"{model} -> {provider}:{upstream}"


def subject_name(price: doc.Price) -> str:
    """Return the name of the model or of the deployment that has the price."""
    if price.provider is None:
        return price.model
    own = "*" if price.model.endswith("*") else price.model
    return deployment_name(price.model, price.provider, price.upstream_model or own)


def place_name(subject: str, meter: str, tier: str, above: str, since: str) -> str:
    """Return the name that identifies a price, also to people."""
    its_tier = "" if tier == "standard" else f" {tier}"
    band = "" if above == "0" else f" above {above}"
    start = "" if since == START.isoformat() else f" from {since}"
    return f"{subject} {meter}{its_tier}{band}{start}"


def valid_from(text: str | None) -> datetime:
    """Return when a price begins: an ISO date means the beginning of that day, UTC; raises ValueError."""
    if text is None:
        return START
    when = datetime.fromisoformat(text)
    try:
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def valid_from_text(text: str) -> str | None:
    """Return the beginning of a price as it is written: none, a date where a day begins, or a time."""
    when = datetime.fromisoformat(text)
    if when == START:
        return None
    return when.date().isoformat() if when.timetz() == START.timetz() else text


def plain(amount: Decimal) -> str:
    """Return an amount without exponent and trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_reasons(prices: tuple[doc.Price, ...]) -> Iterator[Reason]:
    """Yield what is wrong with prices by themselves, and which two stand for the same place."""
    first: dict[str, str] = {}
    for index, price in enumerate(prices):
        path = f"prices[{index}]"
        wrong = tuple(_of_one(path, price))
        yield from wrong
        if wrong:
            continue
        since = valid_from(price.valid_from).isoformat()
        name = place_name(subject_name(price), price.meter, price.tier, str(price.above_tokens), since)
        if name in first:
            yield path, f"duplicate price: '{name[:200]}' stands at {first[name]} already"
        first.setdefault(name, path)


def _of_one(path: str, price: doc.Price) -> Iterator[Reason]:
    if not re.fullmatch(doc.MODEL_NAME, price.model):
        yield f"{path}.model", f"'{price.model[:60]}' is not allowed; it must be the name of a model"
    if price.provider is None and price.upstream_model is not None:
        yield f"{path}.upstream_model", "names a deployment only together with 'provider'"
    if price.upstream_model == "":
        yield f"{path}.upstream_model", "must be the provider's name of the model"
    if not 0 <= price.above_tokens <= MAX_BAND:
        yield f"{path}.above_tokens", f"must be a whole number from 0 to {MAX_BAND}"
    if price.valid_from is not None:
        try:
            valid_from(price.valid_from)
        except ValueError:
            yield f"{path}.valid_from", "must be a date such as 2026-01-31 or 2026-01-31T12:00:00Z"
    yield from _amount(path, price)


def _amount(path: str, price: doc.Price) -> Iterator[Reason]:
    if price.per not in UNITS:
        yield f"{path}.per", "must be 1, 1000 or 1000000"
    elif not re.fullmatch(doc.AMOUNT, price.amount):
        yield f"{path}.amount", "must be a decimal such as '0.25': at most 12 digits before and after the point"
    else:
        try:
            unit_pico(Decimal(price.amount), price.per)
        except ValueError:
            yield f"{path}.amount", f"has more than 12 decimals for one unit, being the amount per {price.per}"
