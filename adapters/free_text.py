"""Custom tools, which take free text, as functions with one text: `input`; knows no provider."""

from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from adapters.base import Losses
from adapters.errors import UNREADABLE
from schemas.chat_tools import CustomDefinition, FunctionDefinition

PARAMETERS: Final = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
_GRAMMAR: Final = b'"grammar"'


class _Arguments(Struct, frozen=True):
    input: str


_DECODER: Final = msgspec.json.Decoder(_Arguments)
_ENCODER: Final = msgspec.json.Encoder()


def as_function(custom: CustomDefinition, path: str, losses: Losses) -> FunctionDefinition:
    """Return the function for a free-text tool at `path`; a grammar is told in words, and named as lost."""
    description = custom.description
    if not isinstance(custom.format, UnsetType) and _GRAMMAR in bytes(custom.format):
        losses.drop(f"{path}.custom.format")
        grammar = bytes(custom.format).decode("utf-8", "replace")
        description = f"{description or ''}\n\nThe input must follow this format: {grammar}".strip()
    return FunctionDefinition(name=custom.name, description=description, parameters=PARAMETERS)


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
