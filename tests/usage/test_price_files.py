"""Price lists from files: exact amounts, and a sentence that names the place where one cannot be used."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from aqueduct.usage.price_files import START, ListedPrice, PriceFileError, read_prices


def test_own_format_is_read_exactly() -> None:
    found = read_prices(
        '{"prices": [{"model": "gpt", "meter": "input", "amount": 0.1},'
        ' {"model": "gpt", "meter": "image", "amount": "0.04", "per": 1, "tier": "batch", "above_tokens": 5,'
        ' "valid_from": "2026-01-01T00:00:00Z"}]}'
    )

    assert found == [
        ListedPrice(model="gpt", meter="input", amount=Decimal("0.1"), per=1_000_000),
        ListedPrice(
            model="gpt",
            meter="image",
            amount=Decimal("0.04"),
            per=1,
            tier="batch",
            above_tokens=5,
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ]
    assert found[0].valid_from == START


def test_model_prices_format_is_read_with_bands_and_tiers() -> None:
    found = read_prices(
        """{"sample_spec": {"input_cost_per_token": 0, "mode": "chat"},
        "gemini-pro": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
          "input_cost_per_token_above_200k_tokens": 2.5e-06, "input_cost_per_token_batches": 6.25e-07,
          "output_cost_per_token_priority": 2e-05, "cache_read_input_token_cost": 3.125e-07,
          "cache_creation_input_token_cost_above_1hr": 6e-06, "max_tokens": 65536, "litellm_provider": "x",
          "supports_vision": true, "output_cost_per_image": 0.04}}"""
    )

    assert {(one.meter, one.tier, one.above_tokens): one.amount for one in found if one.model == "gemini-pro"} == {
        ("input", "standard", 0): Decimal("0.00000125"),
        ("output", "standard", 0): Decimal("0.00001"),
        ("input", "standard", 200_000): Decimal("0.0000025"),
        ("input", "batch", 0): Decimal("0.000000625"),
        ("output", "priority", 0): Decimal("0.00002"),
        ("cache_read", "standard", 0): Decimal("0.0000003125"),
        ("cache_write_1h", "standard", 0): Decimal("0.000006"),
        ("image", "standard", 0): Decimal("0.04"),
    }
    assert {one.per for one in found} == {1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("3", "must hold a list"),
        ("{}", "holds no price"),
        ('[{"model": "m", "meter": "nothing", "amount": 1}]', r"\[0\]: .*meter"),
        ('[{"model": "m", "meter": "input", "amount": -1}]', "not below zero"),
        ('[{"model": "m", "meter": "input", "amount": 1, "per": 7}]', "per must be"),
        ('[{"model": "m", "meter": "input", "amount": "0.0000001"}]', "12 decimal places"),
        ('[{"model": "m", "meter": "input", "amount": "NaN"}]', r"\[0\]"),
        ('[{"model": "m", "meter": "input", "amount": 1, "extra": 2}]', "extra"),
        ('{"m": {"input_cost_per_token": -1}}', "m: input_cost_per_token is no price"),
        ('{"m": {"input_cost_per_token": NaN}}', "holds no price|is no price"),
    ],
)
def test_file_that_cannot_be_used_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(PriceFileError, match=reason):
        read_prices(text)
