"""AWS Signature Version 4 for requests whose body is known; knows no service and no clock.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, checked 2026-11-24.
"""

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct
from typing_extensions import override

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9]{16,128}:[^:\s]+(?::[^:\s]+)?")


class Credentials(Struct, frozen=True, kw_only=True):
    """An access key, which does not show itself in logs and tracebacks."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    @override
    def __repr__(self) -> str:
        return "Credentials(***)"

    __str__ = __repr__


class Scope(Struct, frozen=True, kw_only=True):
    """What a signature is good for."""

    region: str
    service: str


def parse_credentials(secret: str) -> Credentials | None:
    """Read `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`; None for a secret of another form."""
    if not _ACCESS_KEY.fullmatch(secret):
        return None
    access_key_id, secret_access_key, *rest = secret.split(":")
    return Credentials(
        access_key_id=access_key_id, secret_access_key=secret_access_key, session_token=rest[0] if rest else None
    )


def sign(
    method: str,
    url: str,
    body: bytes,
    *,
    credentials: Credentials,
    scope: Scope,
    at: datetime,
) -> dict[str, str]:
    """Return the headers that authorise the request at the time `at`. The URL is as it is sent: already encoded."""
    parts = urlsplit(url)
    time = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"x-amz-date": time}
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    signed = {"host": parts.netloc.rpartition("@")[2], **headers}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/-_.~"),
            _canonical_query(parts.query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            sha256(body).hexdigest(),
        )
    )
    day = time[:8]
    credential_scope = f"{day}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, time, credential_scope, sha256(canonical.encode()).hexdigest()))
    signature = _hmac(_signing_key(credentials, scope, day), to_sign).hex()
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{credential_scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _canonical_query(query: str) -> str:
    """Sort by name and value; what is encoded stays as it is."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))


def _signing_key(credentials: Credentials, scope: Scope, day: str) -> bytes:
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
