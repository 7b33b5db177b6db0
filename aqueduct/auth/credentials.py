"""The credential in a request's headers; knows no database and no HTTP answer.

Official SDKs of three providers send their key in four places. A client that sends it in several must send the same
one: a request with two credentials is refused, because a proxy in front might have judged the other.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

MAX_TOKEN_BYTES = 512
UNAUTHENTICATED: Final = (
    "Invalid or missing API key. Send the token of your gateway as 'Authorization: Bearer TOKEN', and only one."
)
"""What a client without a valid token is told, whatever is wrong with it."""
CREDENTIAL_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
_SCHEME = b"bearer "
_is_visible = re.compile(rb"[!-~]+").fullmatch  # visible ASCII: no spaces, no controls, nothing above 127


class Refusal(StrEnum):
    """Why a credential does not count; for metrics and logs, never for the client, but `EXPIRED`."""

    MISSING = "missing"
    MALFORMED = "malformed"
    CONFLICTING = "conflicting"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DISABLED = "disabled"


def credentials_from_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes | Refusal:
    """Return the one token of a request, from ASGI headers with lower-case names.

    Read are `Authorization: Bearer`, `x-api-key`, `api-key` and `x-goog-api-key`, repeated or not. `MISSING` where
    there is none, `MALFORMED` where one is empty, too long, not visible ASCII or of another scheme, `CONFLICTING`
    where two differ.
    """
    token: bytes | None = None
    for name, value in headers:
        if name not in CREDENTIAL_HEADERS:
            continue
        found = value.strip(b" \t")
        if name == b"authorization":
            if found[:7].lower() != _SCHEME:
                return Refusal.MALFORMED
            found = found[7:].lstrip(b" ")
        if len(found) > MAX_TOKEN_BYTES or not _is_visible(found):
            return Refusal.MALFORMED
        if token is not None and token != found:
            return Refusal.CONFLICTING
        token = found
    return Refusal.MISSING if token is None else token
