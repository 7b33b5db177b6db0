"""Price lists of deployments: their own prices, and until these begin those of their model."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from aqueduct.catalog.build_prices import build_prices
from aqueduct.catalog.rows import DeploymentRow, PriceRow

MODEL, PRICED, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
ALWAYS, MAY, JUNE = datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def deployment(number: UUID) -> DeploymentRow:
    return DeploymentRow(number, MODEL, UUID(int=9), "x", 0, 1, None, None, None, enabled=True)


def price(meter: str, amount: int, since: datetime, *, own: bool = False) -> PriceRow:
    model, deployment_id = (None, PRICED) if own else (MODEL, None)
    return PriceRow(UUID(int=amount), model, deployment_id, meter, "standard", 0, since, Decimal(amount), 1_000_000)


def test_deployment_has_its_models_prices_until_its_own_begin() -> None:
    rows = [price("input", 1, ALWAYS), price("request", 7, ALWAYS), price("input", 5, JUNE, own=True)]

    lists, problems = build_prices(rows, [deployment(PRICED), deployment(OTHER)])

    assert problems == []
    own, others = lists[str(PRICED)], lists[str(OTHER)]
    before, after = own.rates(MAY, "batch", 10), own.rates(JUNE, "batch", 10)
    assert before is not None
    assert after is not None
    assert before == others.rates(MAY, "batch", 10)
    assert (before["input"], before["request"]) == (10**6, 7 * 10**6)
    assert (after["input"], "request" in after) == (5 * 10**6, False)
    assert own.rates_json(MAY, "batch", 10) == others.rates_json(MAY, "batch", 10) is not None
    assert own.dearest(MAY, 10) == others.dearest(MAY, 10) != own.dearest(JUNE, 10)


def test_deployment_without_a_price_of_its_time_has_none() -> None:
    lists, _ = build_prices([price("input", 5, JUNE, own=True)], [deployment(PRICED)])

    own = lists[str(PRICED)]
    assert (own.rates(MAY, "standard", 1), own.rates_json(MAY, "standard", 1), own.dearest(MAY, 1)) == (None, None, ())
