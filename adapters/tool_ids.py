"""Tool-call ids: which are legal, and the deterministic replacement of those that are not; knows no message."""

import hashlib
import re
from typing import Final

_LEGAL: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MINTED_CHARS: Final = 24
# Real signatures have hundreds of characters; a short tail after `_ts_` is part of an ordinary id.
_SIGNED: Final = re.compile(r"(.+?)(?:__thought__([A-Za-z0-9+/=_-]*)|_ts_([A-Za-z0-9+/=_-]{32,}))", re.DOTALL)


def is_legal(call_id: str) -> bool:
    """Return whether every provider's API takes the id."""
    return _LEGAL.fullmatch(call_id) is not None


class UniqueIds:
    """Makes ids legal, and each different from those before it: equal sequences of ids give equal ones."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, call_id: str | None, *seed: str | int) -> str:
        """Return the id of the next call: its own where that is legal and new, else one minted from it and `seed`."""
        own = call_id or ""
        found, repeats = own, 0
        while found in self._used or not is_legal(found):
            found = minted(*seed, own, repeats)
            repeats += 1
        self._used.add(found)
        return found


def split_signature(call_id: str) -> tuple[str, str | None]:
    """Return an id without the thought signature that another gateway appended to it, and that signature.

    LiteLLM appends `__thought__` and base64, Bifrost `_ts_` and base64url.
    """
    if "__thought__" not in call_id and "_ts_" not in call_id:
        return call_id, None
    found = _SIGNED.fullmatch(call_id)
    return (found[1], found[2] or found[3] or None) if found is not None else (call_id, None)


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
