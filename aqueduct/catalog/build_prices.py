"""From the rows of prices to a price list per deployment; a row that cannot be used is reported and left out."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from aqueduct.catalog.rows import DeploymentRow, PriceRow
from aqueduct.catalog.snapshot import Problem
from aqueduct.usage.pricing import Meter, Price, PriceList, Tier, unit_pico


def build_prices(
    prices: Iterable[PriceRow], deployments: Iterable[DeploymentRow]
) -> tuple[Mapping[str, PriceList], list[Problem]]:
    """Return the price lists by the deployments' ids.

    A deployment with prices of its own has none of its model's, from the first of them on.
    """
    problems: list[Problem] = []
    by_subject: dict[UUID, list[Price]] = {}
    for row in prices:
        subject = row.deployment_id or row.model_id
        try:
            price = _price(row)
        except ValueError as error:
            problems.append(Problem("prices", str(row.id), str(error)))
            continue
        if subject is not None:
            by_subject.setdefault(subject, []).append(price)
    lists = {subject: PriceList(rows) for subject, rows in by_subject.items()}
    found: dict[str, PriceList] = {}
    for deployment in deployments:
        own, of_model = by_subject.get(deployment.id), lists.get(deployment.model_id)
        prices_of = of_model if own is None else PriceList(own, of_model)
        if prices_of is not None:
            found[str(deployment.id)] = prices_of
    return found, problems


def _price(row: PriceRow) -> Price:
    if row.per <= 0 or row.amount < 0:
        raise ValueError("the amount is below zero")
    return Price(
        meter=msgspec.convert(row.meter, Meter),
        pico=unit_pico(row.amount, row.per),
        valid_from=row.valid_from,
        tier=msgspec.convert(row.tier, Tier),
        above_tokens=row.above_tokens,
    )
