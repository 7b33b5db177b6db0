"""From a request's headers to its principal, or to the reason why there is none; words no answer."""

from collections.abc import Iterable
from typing import Protocol

from aqueduct.auth.credentials import Refusal, credentials_from_headers
from aqueduct.auth.principal import Principal
from aqueduct.auth.tokens import hash_token


class Tokens(Protocol):
    """Where tokens are looked up by the SHA-256 of their text: the catalog's snapshot."""

    def principal(self, sha256: str) -> Principal | None:
        """Return the owner of a token in force; its expiry is not looked at."""
        ...

    def refusal(self, sha256: str) -> Refusal:
        """Return why a token has no principal: `REVOKED`, `DISABLED` or `UNKNOWN`."""
        ...


def authenticate(tokens: Tokens, headers: Iterable[tuple[bytes, bytes]], now: float) -> Principal | Refusal:
    """Return who calls, or why that is unknown; `headers` are ASGI's, `now` is in Unix seconds."""
    token = credentials_from_headers(headers)
    if isinstance(token, Refusal):
        return token
    sha256 = hash_token(token)
    principal = tokens.principal(sha256)
    if principal is None:
        return tokens.refusal(sha256)
    if principal.expires_at is not None and principal.expires_at <= now:
        return Refusal.EXPIRED
    return principal
