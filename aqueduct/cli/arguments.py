"""Types of command-line arguments: lengths of time, moments, owners; knows no command."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import click
from typing_extensions import override

from aqueduct.config.document import OWNER
from aqueduct.config.rules import expiry

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH: Final = re.compile(r"(\d{1,6})([smhdw])")
MAX_LENGTH: Final = timedelta(days=36_525)

Expires = datetime | Literal["never"]


class Length(click.ParamType[timedelta]):
    """A length of time such as `24h` or `90d`."""

    name = "length"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        length = to_length(str(value))
        if length is None:
            self.fail(f"{value!r} is no length of time; write it as 90d, 24h, 30m or 45s.", param, ctx)
        return length


class Expiry(click.ParamType[Expires]):
    """A moment in the future: a length from now, a date (its end, in UTC), a date and time, or `never`."""

    name = "length|date|never"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Expires:
        if isinstance(value, datetime):
            return value
        if value == "never":
            return "never"
        now = datetime.now(UTC).replace(microsecond=0)
        length = to_length(str(value))
        try:
            when = expiry(str(value)) if length is None else now + length
        except ValueError:
            self.fail(f"{value!r} is no time; write 90d, 2030-12-31, 2030-12-31T12:00:00Z or never.", param, ctx)
        if when <= now:
            self.fail(f"{value!r} is in the past.", param, ctx)
        return when


class Owner(click.ParamType[str]):
    """Whom a token belongs to."""

    name = "owner"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not re.fullmatch(OWNER, text) and not re.fullmatch(r"service:[^/]+", text):
            self.fail(f"{text!r} is no owner; write user:EMAIL, team:ORG/TEAM or service:NAME.", param, ctx)
        return text


def to_length(text: str) -> timedelta | None:
    """Return the length that a text such as `90d` or `0` means, at most a hundred years; None for any other text."""
    if text == "0":
        return timedelta()
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[1]) * timedelta(**{_UNITS[match[2]]: 1}).total_seconds()
    return timedelta(seconds=seconds) if seconds <= MAX_LENGTH.total_seconds() else None
