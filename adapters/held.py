"""Bounds what the translation of one answer keeps in memory; knows no provider and no message."""

from typing import Final

from adapters.errors import ErrorKind, ProviderError

MAX_HELD: Final = 16 * 1024 * 1024
"""Bytes of JSON, or characters of text: some hundred times the longest answer of a model."""


class Held:
    """Counts what is kept until an answer ends, such as the text that citations are looked up in."""

    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    def add(self, size: int) -> None:
        """Note that `size` more bytes or characters are kept; raises `BAD_RESPONSE` beyond `MAX_HELD`."""
        self._size += size
        if self._size > MAX_HELD:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer is too large.")
