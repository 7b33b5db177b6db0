"""Prices: parts sum up to the provider's totals, nothing is rounded, and the row that was valid is the one taken."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.usage.pricing import (
    METERS,
    TIERS,
    Price,
    PriceList,
    cost,
    lines,
    quantities,
    tier_of,
    to_text,
    unit_pico,
)
from schemas.usage import Usage

NOW = datetime(2026, 6, 1, tzinfo=UTC)
counter = st.none() | st.integers(0, 2**31 - 1)
usages = st.builds(
    Usage,
    prompt_tokens=counter,
    completion_tokens=counter,
    cached_tokens=counter,
    cache_write_tokens=counter,
    cache_write_1h_tokens=counter,
    prompt_audio_tokens=counter,
    prompt_image_tokens=counter,
    reasoning_tokens=counter,
    completion_audio_tokens=counter,
    completion_image_tokens=counter,
    images=counter,
    seconds=counter,
    queries=counter,
)
UNITS = {"image": "images", "second": "seconds", "query": "queries"}
price_rows = st.lists(
    st.builds(
        Price,
        meter=st.sampled_from(METERS),
        pico=st.integers(0, 10**12),
        valid_from=st.sampled_from([NOW, NOW - timedelta(days=30)]),
        tier=st.sampled_from(TIERS),
        above_tokens=st.sampled_from([0, 1000, 200_000]),
    ),
    min_size=1,
)


def priced(**picos: int) -> PriceList:
    return PriceList(Price(meter, pico, NOW) for meter, pico in picos.items())


@given(usage=usages)
def test_parts_sum_to_the_totals_whatever_details_say(usage: Usage) -> None:
    """Trap 4: no token is charged twice, and none is forgotten."""
    parts = quantities(usage)
    output = ("output", "reasoning", "audio_output", "image_output")

    assert sum(parts.get(meter, 0) for meter in output) == (usage.completion_tokens or 0)
    inputs = {meter: amount for meter, amount in parts.items() if meter not in {*output, *UNITS, "request"}}
    assert sum(inputs.values()) == (usage.prompt_tokens or 0)
    assert all(amount >= 0 for amount in parts.values())
    assert {meter: parts.get(meter, 0) for meter in UNITS} == {
        meter: getattr(usage, name) or 0 for meter, name in UNITS.items()
    }


@given(usage=usages, rows=price_rows, tier=st.sampled_from(TIERS))
def test_cost_is_an_integer_and_the_sum_of_its_lines(usage: Usage, rows: list[Price], tier: str) -> None:
    prices = PriceList(rows)

    found = cost(usage, prices, NOW, tier)

    rates = prices.rates(NOW, tier, usage.prompt_tokens or 0)
    assert rates is not None
    assert type(found) is int
    assert found == sum(line.cost for line in lines(quantities(usage), rates))
    assert all(type(rate) is int for rate in rates.values())


@given(usage=usages)
def test_flat_prices_cost_totals_alone(usage: Usage) -> None:
    expected = 3 * (usage.prompt_tokens or 0) + 7 * (usage.completion_tokens or 0)

    assert cost(usage, priced(input=3, output=7), NOW) == expected


def test_cache_writes_are_priced_by_their_lifetime() -> None:
    usage = Usage(prompt_tokens=1000, cached_tokens=400, cache_write_tokens=300, cache_write_1h_tokens=100)
    prices = priced(input=100, cache_read=10, cache_write_5m=125, cache_write_1h=200)

    assert cost(usage, prices, NOW) == 400 * 10 + 100 * 200 + 200 * 125 + 300 * 100


def test_images_in_answers_have_a_price_of_their_own_or_that_of_output() -> None:
    usage = Usage(prompt_tokens=10, completion_tokens=1302, completion_image_tokens=1290, completion_text_tokens=12)
    assert cost(usage, priced(input=1, output=10, image_output=120), NOW) == 10 + 12 * 10 + 1290 * 120
    assert cost(usage, priced(input=1, output=10), NOW) == 10 + 1302 * 10


def test_context_band_prices_all_tokens_of_a_long_prompt() -> None:
    prices = PriceList(
        [
            Price("input", 1, NOW),
            Price("output", 5, NOW),
            Price("input", 2, NOW, above_tokens=200_000),
        ]
    )

    assert cost(Usage(prompt_tokens=200_000, completion_tokens=1), prices, NOW) == 200_000 + 5
    assert cost(Usage(prompt_tokens=200_001, completion_tokens=1), prices, NOW) == 400_002 + 5


def test_tier_falls_back_to_standard_where_it_has_no_price() -> None:
    prices = PriceList([Price("input", 10, NOW), Price("output", 20, NOW), Price("input", 5, NOW, tier="batch")])

    assert cost(Usage(prompt_tokens=2, completion_tokens=2), prices, NOW, "batch") == 10 + 40
    assert cost(Usage(prompt_tokens=2, completion_tokens=2), prices, NOW, "flex") == 20 + 40


def test_price_is_the_one_that_was_valid() -> None:
    later = NOW + timedelta(days=1)
    prices = PriceList([Price("input", 10, NOW), Price("input", 3, later)])
    usage = Usage(prompt_tokens=1)

    assert cost(usage, prices, NOW - timedelta(seconds=1)) is None
    assert cost(usage, prices, later - timedelta(microseconds=1)) == 10
    assert cost(usage, prices, later) == 3


def test_request_and_unpriced_meters() -> None:
    assert cost(Usage(), priced(request=4), NOW) == 4
    assert cost(Usage(prompt_tokens=9), priced(image=4), NOW) == 0


@pytest.mark.parametrize(
    ("amount", "per", "pico"), [("2.50", 10**6, 2_500_000), ("0.04", 1, 40_000_000_000), ("7.5e-9", 1, 7500)]
)
def test_unit_price_is_exact(amount: str, per: int, pico: int) -> None:
    assert unit_pico(Decimal(amount), per) == pico


def test_unit_price_below_a_pico_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 12 decimal places"):
        unit_pico(Decimal("0.0000001"), 10**6)


@pytest.mark.parametrize(
    ("pico", "text"),
    [(0, "0"), (1, "0.000000000001"), (12_500_000, "0.0000125"), (10**13, "10"), (10**12 * 1200, "1200")],
)
def test_amount_is_shown_plainly(pico: int, text: str) -> None:
    assert to_text(pico) == text


def test_service_tier_of_a_provider() -> None:
    assert [tier_of(name) for name in (None, "default", "auto", "priority", "flex")] == [
        "standard",
        "standard",
        "standard",
        "priority",
        "flex",
    ]
