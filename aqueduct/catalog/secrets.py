"""Secrets of providers and MCP servers: encrypted in the database, or named as a variable of the environment.

`enc:v1:` is followed by base64url of a 12-byte nonce and the AES-256-GCM ciphertext. The row's id is the
associated data, so that a stored secret copied to another row does not open.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.base import Secret

ENVIRONMENT = "env:"
ENCRYPTED = "enc:v1:"
KEY_BYTES = 32
_NONCE_BYTES = 12


class SecretError(ValueError):
    """A secret or key that cannot be used; the message never holds its value."""


class SecretBox:
    """Encrypts with the current key and decrypts with the current and older ones."""

    def __init__(self, key: str | None, previous: tuple[str, ...] = ()) -> None:
        """Keys are 32 bytes in base64, standard or URL-safe. Raises `SecretError` that names the variable."""
        current = [] if key is None else [_key(key, "AQUEDUCT_SECRET_KEY")]
        older = [_key(old, "AQUEDUCT_PREVIOUS_SECRET_KEYS") for old in previous]
        self._current = AESGCM(current[0]) if current else None
        self._older = tuple(AESGCM(old) for old in older)
        self._hashing = tuple(hmac.digest(one, b"aqueduct fingerprint", "sha256") for one in current + older)

    @property
    def can_seal(self) -> bool:
        """Whether there is a key to encrypt with."""
        return self._current is not None

    def seal(self, data: bytes, associated: bytes) -> bytes:
        """Return nonce and ciphertext; only the same `associated` opens it. Raises `SecretError` without a key."""
        if self._current is None:
            raise SecretError("AQUEDUCT_SECRET_KEY is not set, so no secret can be stored; or name one as env:NAME")
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._current.encrypt(nonce, data, associated)

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed. Raises `SecretError` where no key opens it for `associated`."""
        keys = (*((self._current,) if self._current else ()), *self._older)
        if not keys:
            raise SecretError("AQUEDUCT_SECRET_KEY is not set, so the stored secret cannot be read")
        for key in keys:
            try:
                opened: bytes = key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
            except (InvalidTag, ValueError):
                continue
            return opened
        raise SecretError("the stored secret does not open with AQUEDUCT_SECRET_KEY, or belongs to another row")

    def fingerprints(self, data: bytes) -> tuple[bytes, ...]:
        """Return a keyed hash of the data for each key, the current one's first; none without a key."""
        return tuple(hmac.digest(key, data, "sha256") for key in self._hashing)

    def encrypt(self, text: str, row_id: UUID) -> str:
        """Return a secret in the form in which the database keeps it."""
        sealed = self.seal(text.encode(), row_id.bytes)
        return ENCRYPTED + base64.urlsafe_b64encode(sealed).decode("ascii")

    def decrypt(self, stored: str, row_id: UUID) -> str:
        """Return the text of an `enc:v1:` secret. Raises `SecretError` where no key opens it."""
        try:
            sealed = base64.b64decode(stored.removeprefix(ENCRYPTED), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SecretError("the stored secret is damaged") from None
        try:
            return self.unseal(sealed, row_id.bytes).decode()
        except UnicodeDecodeError:
            raise SecretError("the stored secret is damaged") from None

    def resolve(self, stored: str | None, row_id: UUID, environment: Mapping[str, str]) -> Secret | None:
        """Return the credential that a stored secret means; NULL and the empty text mean none."""
        if not stored:
            return None
        if stored.startswith(ENVIRONMENT):
            name = stored.removeprefix(ENVIRONMENT)
            value = environment.get(name, "").strip()
            if not value:
                raise SecretError(f"the environment variable {name} is not set")
            return Secret(value)
        if stored.startswith(ENCRYPTED):
            return Secret(self.decrypt(stored, row_id))
        raise SecretError("a secret is env:NAME or enc:v1:..., never plain text")


def _key(text: str, variable: str) -> bytes:
    try:
        key = base64.b64decode(text.strip().translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SecretError(f"{variable} must be {KEY_BYTES} bytes in base64: openssl rand -base64 {KEY_BYTES}")
    return key


_URL_SAFE = str.maketrans("-_", "+/")
