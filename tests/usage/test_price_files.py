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

    each = {(one.meter, one.tier, one.above_tokens): one.amount / one.per for one in found if one.model == "gemini-pro"}
    assert each == {
        ("input", "standard", 0): Decimal("0.00000125"),
        ("output", "standard", 0): Decimal("0.00001"),
        ("input", "standard", 200_000): Decimal("0.0000025"),
        ("input", "batch", 0): Decimal("0.000000625"),
        ("output", "priority", 0): Decimal("0.00002"),
        ("cache_read", "standard", 0): Decimal("0.0000003125"),
        ("cache_write_1h", "standard", 0): Decimal("0.000006"),
        ("image", "standard", 0): Decimal("0.04"),
    }
    assert {one.per for one in found if one.meter != "image"} == {1_000_000}, "as people read and write them"
    assert {one.valid_from for one in found} == {START}


def test_model_prices_format_is_read_with_searches_ranges_images_and_old_names() -> None:
    found = read_prices(
        """{"claude": {"input_cost_per_token": 3e-06,
          "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
          "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.02}},
        "qwen": {"tiered_pricing": [{"range": [0, 256000.0], "input_cost_per_token": 5e-08},
          {"range": [256000.0, 1e6], "input_cost_per_token": 2.5e-07}, {"range": []}, 3]},
        "embed": {"mode": "embedding", "input_cost_per_image": 0.0001},
        "vision": {"mode": "chat", "input_cost_per_image": 1},
        "deepseek": {"input_cost_per_token_cache_hit": 7e-08, "cache_read_input_token_cost": 8e-08}}""",
        datetime(2026, 5, 1, tzinfo=UTC),
    )

    assert [(one.model, one.meter, one.above_tokens, str(one.amount.normalize()), one.per) for one in found] == [
        ("claude", "input", 0, "3", 1_000_000),
        ("claude", "cache_write_1h", 200_000, "12", 1_000_000),
        ("claude", "query", 0, "0.02", 1),
        ("qwen", "input", 0, "0.05", 1_000_000),
        ("qwen", "input", 256_000, "0.25", 1_000_000),
        ("embed", "image", 0, "0.0001", 1),
        ("deepseek", "cache_read", 0, "0.07", 1_000_000),
    ]
    assert {one.valid_from for one in found} == {datetime(2026, 5, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_own_format_takes_days_and_moments(text: str, moment: datetime) -> None:
    (found,) = read_prices(f'[{{"model": "m", "meter": "input", "amount": "1", "valid_from": "{text}"}}]')
    assert found.valid_from == moment


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
        ('[{"model": "m", "meter": "input", "amount": "NaN"}]', r"\[0\]: amount is no decimal number"),
        ('[{"model": "m", "meter": "input", "amount": 1, "valid_from": "soon"}]', r"\[0\]: valid_from must be a date"),
        (
            '[{"model": "m", "meter": "input", "amount": 1}, {"model": "m", "meter": "input", "amount": 2}]',
            r"\[1\]: a second price of the same place as \[0\]",
        ),
        ('[{"model": "m", "meter": "input", "amount": 1, "extra": 2}]', "extra"),
        ('{"m": {"input_cost_per_token": -1}}', "m: input_cost_per_token is no price"),
        ('{"m": {"input_cost_per_token": NaN}}', "holds no price|is no price"),
    ],
)
def test_file_that_cannot_be_used_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(PriceFileError, match=reason):
        read_prices(text)
