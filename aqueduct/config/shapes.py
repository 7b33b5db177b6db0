"""Checks that every part of a file shares: the shape of a text, its length, duplicates; knows no kind of item."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from aqueduct.config import document as doc

MAX_TEXT: Final = 2_000
Reason = tuple[str, str]
"""The path of what is wrong, and what is wrong with it."""


def shape(path: str, value: str, pattern: str, allowed: str) -> Iterator[Reason]:
    """Refuse a text that does not match; `allowed` says in words what would."""
    if not re.fullmatch(pattern, value):
        yield path, f"'{value[:60]}' is not allowed; it must be {allowed}"


def short_name(path: str, name: str | None) -> Iterator[Reason]:
    """Refuse what cannot be a name of an organisation, team or token."""
    if name is not None:
        yield from shape(path, name, doc.NAME, "1 to 100 characters without '/' and control characters")


def free_text(path: str, text: str | None) -> Iterator[Reason]:
    """Refuse a text for people that is too long or not printable."""
    if text is not None and (len(text) > MAX_TEXT or any(ord(letter) < 32 or ord(letter) == 127 for letter in text)):
        yield path, f"must be at most {MAX_TEXT} characters without control characters"


def duplicates(what: str, named: Iterable[tuple[str, str]]) -> Iterator[Reason]:
    """Refuse names that stand a second time; `named` are paths with names."""
    first: dict[str, str] = {}
    for path, name in named:
        if name in first:
            yield path, f"duplicate {what}: '{name[:60]}' stands at {first[name]} already"
        else:
            first[name] = path


def pattern(path: str, name: str, allowed_pattern: str, allowed: str) -> Iterator[Reason]:
    """Refuse what is neither a name nor the beginning of names and a `*`."""
    if "*" in name.removesuffix("*"):
        yield path, "a wildcard has one '*', at its end, as in vendor/*"
    else:
        yield from shape(path, name, allowed_pattern, allowed)
