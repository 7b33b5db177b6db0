"""The format of tokens and the hash under which they are stored; knows no owner.

A token is `aq_` and 40 characters of the URL-safe base64 alphabet: 240 random bits from the operating system. It is
too long to guess, so a plain SHA-256 is the right hash: it is looked up on every request, and nothing is gained by
slowing it down. Tokens of other gateways whose SHA-256 was imported work as they are, whatever their format.
"""

import hashlib
import secrets

from msgspec import Struct
from typing_extensions import override

TOKEN_PREFIX = "aq_"  # noqa: S105 - a public prefix
RANDOM_BYTES = 30
_EMPTY = hashlib.sha256()
SHOWN_CHARS = 10
"""How much of a token is kept readable, so that its owner recognises it: the prefix and 42 of 240 bits."""


class NewToken(Struct, frozen=True):
    """A token that was just made: the only moment at which its text exists."""

    text: str
    prefix: str
    sha256: str

    @override
    def __repr__(self) -> str:
        return f"NewToken({self.prefix}...)"


def new_token() -> NewToken:
    """Return a new random token."""
    return token_from_text(TOKEN_PREFIX + secrets.token_urlsafe(RANDOM_BYTES))


def token_from_text(text: str) -> NewToken:
    """Return what is stored of a given token, which must be ASCII; of a short one nothing is kept readable."""
    prefix = text[:SHOWN_CHARS] if len(text) >= 3 * SHOWN_CHARS else ""
    return NewToken(text=text, prefix=prefix, sha256=hash_token(text.encode("ascii")))


def hash_token(token: bytes) -> str:
    """Return the SHA-256 of a token as 64 lower-case hexadecimal digits."""
    digest = _EMPTY.copy()  # a new one is looked up among the system's algorithms each time
    digest.update(token)
    return digest.hexdigest()
