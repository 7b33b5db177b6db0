"""Custom tools, which take free text, as functions with one text: `input`; knows no provider."""

from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from adapters.errors import UNREADABLE

PARAMETERS: Final = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')


_GRAMMAR: Final = b'"grammar"'


class _Arguments(Struct, frozen=True):
    input: str


_DECODER: Final = msgspec.json.Decoder(_Arguments)
_ENCODER: Final = msgspec.json.Encoder()


def described(description: str | None, given: Raw | UnsetType) -> str | None:
    """Return the function's description, which tells a grammar in words; another one than given is a loss to name."""
    if isinstance(given, UnsetType) or _GRAMMAR not in bytes(given):
        return description
    return (
        f"{description or ''}\n\nThe input must follow this format: {bytes(given).decode('utf-8', 'replace')}".strip()
    )


def to_arguments(text: str) -> bytes:
    """Return the function's arguments for a text, as JSON."""
    return _ENCODER.encode(_Arguments(text))


def is_whole(arguments: str) -> bool:
    """Return whether the function's arguments hold a text to their end."""
    try:
        _DECODER.decode(arguments.encode("utf-8", "replace"))
    except UNREADABLE:
        return False
    return True


def text_of(arguments: str) -> str:
    """Return the text within the function's arguments; what holds none is the text itself."""
    try:
        return _DECODER.decode(arguments.encode("utf-8", "replace")).input
    except UNREADABLE:
        return arguments
