"""From a request's headers to its caller, and the constant words for those who are refused."""

import time
from collections.abc import Iterable
from typing import Final

from aqueduct.api.gateway import Gateway
from aqueduct.auth.credentials import UNAUTHENTICATED, Refusal, credentials_from_headers
from aqueduct.auth.principal import Principal
from aqueduct.auth.tokens import hash_token
from aqueduct.errors import ErrorType, GatewayError

EXPIRED: Final = "Your API key has expired. Create a new one or ask your administrator."
DISABLED: Final = "The organisation, team or account of this API key is disabled. Ask your administrator."


def authenticate(gateway: Gateway, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
    """Return the caller; raises `GatewayError` 401, or 403 for an account that is disabled."""
    token = credentials_from_headers(headers)
    if isinstance(token, Refusal):
        raise refused(token)
    snapshot, sha256 = gateway.catalog.current, hash_token(token)
    principal = snapshot.principal(sha256)
    if principal is None:
        raise refused(snapshot.refusal(sha256))
    if principal.expires_at is not None and principal.expires_at <= time.time():
        raise refused(Refusal.EXPIRED)
    return principal


def refused(why: Refusal) -> GatewayError:
    """Return the answer for a token that does not count; it never tells which part of it is wrong."""
    if why is Refusal.DISABLED:
        return GatewayError(
            403, "account_disabled", DISABLED, kind=ErrorType.POLICY_DENIED, error_type="permission_error"
        )
    expired = why is Refusal.EXPIRED
    return GatewayError(
        401,
        "expired_api_key" if expired else "invalid_api_key",
        EXPIRED if expired else UNAUTHENTICATED,
        kind=ErrorType.CALLER_UNAUTHENTICATED,
    )
