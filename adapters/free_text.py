"""Custom tools, which take free text, as functions with one text: `input`; knows no provider."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from adapters.exchange import UNREADABLE

PARAMETERS: Final = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')


class _Arguments(Struct, frozen=True):
    input: str


_DECODER: Final = msgspec.json.Decoder(_Arguments)
_ENCODER: Final = msgspec.json.Encoder()


def to_arguments(text: str) -> bytes:
    """Return the function's arguments for a text, as JSON."""
    return _ENCODER.encode(_Arguments(text))


def text_of(arguments: str) -> str:
    """Return the text within the function's arguments; what holds none is the text itself."""
    try:
        return _DECODER.decode(arguments.encode("utf-8", "replace")).input
    except UNREADABLE:
        return arguments
