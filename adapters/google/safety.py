"""Safety ratings of what a filter has stopped, as the results of filters; knows no message.

Source: https://ai.google.dev/api/generate-content#SafetyRating and Vertex AI's enums for the integers that it writes,
checked 2026-11-27.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from adapters.errors import UNREADABLE
from schemas.google.response import Enum, SafetyRating

_CATEGORIES: Final = ("unspecified", "hate_speech", "dangerous_content", "harassment", "sexually_explicit")
_PROBABILITIES: Final = ("unspecified", "negligible", "low", "medium", "high")
_RATINGS: Final = msgspec.json.Decoder(list[SafetyRating])
_ENCODER: Final = msgspec.json.Encoder()


class _Result(Struct, frozen=True, omit_defaults=True):
    """What one filter found, in the form that Azure has it in but for the probability."""

    filtered: bool
    probability: str | None = None


def to_filter_results(ratings: Raw | UnsetType) -> Raw | UnsetType:
    """Return the results by category; absent where there are none, and where they have another form."""
    if isinstance(ratings, UnsetType):
        return ratings
    try:
        rated = _RATINGS.decode(ratings)
    except UNREADABLE:
        return msgspec.UNSET
    results = {
        _word(one.category, _CATEGORIES, "HARM_CATEGORY_"): _Result(
            one.blocked or False, _word(one.probability, _PROBABILITIES) if one.probability is not None else None
        )
        for one in rated
        if one.category is not None
    }
    return Raw(_ENCODER.encode(results)) if results else msgspec.UNSET


def _word(enum: Enum, numbers: tuple[str, ...], prefix: str = "") -> str:
    if isinstance(enum, str):
        return enum.removeprefix(prefix).lower()
    return numbers[enum] if 0 <= enum < len(numbers) else str(enum)
