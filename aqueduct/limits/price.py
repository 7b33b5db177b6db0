"""What a request costs, as limits need to know it; knows no price list.

Money is an integer number of micro-units: millionths of the one currency that prices and budgets are kept in.
"""

from typing import Protocol

from adapters.base import Deployment
from schemas.usage import Usage

MICROS_PER_UNIT = 1_000_000


class Pricing(Protocol):
    """The price list of this moment."""

    def price(self, deployment: Deployment, usage: Usage) -> int:
        """Return the cost of `usage` at a deployment in micro-units, rounded up; 0 where nothing has a price."""
        ...


class NoPrices:
    """A gateway without a price list: nothing costs anything."""

    def price(self, deployment: Deployment, usage: Usage) -> int:
        """Return 0."""
        del deployment, usage
        return 0
