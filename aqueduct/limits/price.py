"""Money as limits count it: an integer number of micro-units, millionths of the one currency of prices and budgets."""

from typing import Final

MICROS_PER_UNIT: Final = 1_000_000
PICO_PER_MICRO: Final = 1_000_000


def micros(pico: int) -> int:
    """Return pico-units as micro-units, rounded up."""
    return -(-pico // PICO_PER_MICRO)
