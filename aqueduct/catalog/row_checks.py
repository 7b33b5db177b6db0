"""What every kind of row is checked by: a bad one is reported, and its last good version stays; knows no table."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct

from aqueduct.catalog.secrets import SecretBox, SecretError
from aqueduct.catalog.snapshot import Problem

GoodT = TypeVar("GoodT")
_STRINGS = msgspec.json.Decoder(dict[str, str])
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


class RowError(ValueError):
    """A row that cannot be used; the message goes into the problem report."""


class Sources(Struct, frozen=True):
    """What rows refer to outside the database: known adapter types, keys, and variables."""

    adapters: AbstractSet[str]
    secrets: SecretBox
    environment: Mapping[str, str]


def checked(
    check: Callable[[], GoodT], last_good: GoodT | None, where: tuple[str, str], problems: list[Problem]
) -> GoodT | None:
    """Return what a row means. Where it cannot be used, report it, and return its last good version, if any."""
    try:
        return check()
    except (RowError, SecretError) as error:
        stays = "; its last good version stays in force" if last_good is not None else ""
        problems.append(Problem(*where, f"{error}{stays}"))
        return last_good


def keep(good: dict[UUID, GoodT], row_id: UUID, value: GoodT | None) -> None:
    """Note the good version of a row, if there is one."""
    if value is not None:
        good[row_id] = value


def http_url(text: str, column: str) -> SplitResult:
    """Return the parts of an http or https URL without credentials and fragment; raises `RowError`."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise RowError(f"{column} is not an http or https URL")
    if parts.username is not None or parts.fragment:
        raise RowError(f"{column} must hold no credentials and no fragment")
    return parts


def strings(text: str, column: str) -> dict[str, str]:
    """Return a JSON object of texts; raises `RowError`."""
    try:
        return _STRINGS.decode(text)
    except msgspec.DecodeError:  # its message might show a value
        raise RowError(f"{column} must be an object of texts") from None


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that cannot be sent; raises `RowError`."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise RowError("headers must be names and values of printable ASCII characters")
