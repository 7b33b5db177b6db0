"""Tool-call ids: which are legal, and the deterministic replacement of those that are not; knows no message."""

import hashlib
import re
from typing import Final

_LEGAL: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MINTED_CHARS: Final = 24


def is_legal(call_id: str) -> bool:
    """Return whether every provider's API takes the id."""
    return _LEGAL.fullmatch(call_id) is not None


def minted(*seed: str | int) -> str:
    """Return `call_` with 24 alphanumerics; equal seeds give equal ids."""
    return "call_" + alphanumerics(MINTED_CHARS, *seed)


def alphanumerics(length: int, *seed: str | int) -> str:
    """Return `length` (at most 40) letters and digits that depend on nothing but `seed`."""
    number = int.from_bytes(hashlib.sha256("\x1f".join(map(str, seed)).encode()).digest(), "big")
    letters: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)
