"""Numbers that a provider takes less of than OpenAI does: moved to the nearest that it takes, and named."""

from typing import TypeVar

from adapters.base import Losses

NumberT = TypeVar("NumberT", int, float)


def within(value: NumberT | None, least: NumberT, most: NumberT, param: str, losses: Losses) -> NumberT | None:
    """Return the nearest value from `least` to `most`; names the parameter where that is another one."""
    if value is None or least <= value <= most:
        return value
    losses.drop(param)
    return min(max(value, least), most)
