from uuid import UUID

import pytest
from msgspec import Struct

from aqueduct.auth.authenticate import authenticate
from aqueduct.auth.credentials import Refusal
from aqueduct.auth.principal import Principal
from aqueduct.auth.tokens import hash_token, new_token

NOW = 1_000.0


class OneToken(Struct):
    sha256: str
    owner: Principal | None
    reason: Refusal = Refusal.UNKNOWN

    def principal(self, sha256: str) -> Principal | None:
        return self.owner if sha256 == self.sha256 else None

    def refusal(self, sha256: str) -> Refusal:
        return self.reason if sha256 != self.sha256 or self.owner is None else Refusal.UNKNOWN


def _principal(expires_at: float | None) -> Principal:
    return Principal(
        token_id=UUID(int=1), token_name="t", owner_kind="team", org_id=UUID(int=2), org_slug="o", expires_at=expires_at
    )


@pytest.mark.parametrize("expires_at", [None, NOW + 0.001])
def test_authenticate_with_a_token_in_force_returns_its_principal(expires_at):
    token, principal = new_token(), _principal(expires_at)
    headers = [(b"authorization", b"Bearer " + token.text.encode())]
    assert authenticate(OneToken(token.sha256, principal), headers, NOW) is principal


@pytest.mark.parametrize("expires_at", [NOW, NOW - 1])
def test_authenticate_with_an_expired_token_says_expired(expires_at):
    headers = [(b"x-api-key", b"key")]
    assert authenticate(OneToken(hash_token(b"key"), _principal(expires_at)), headers, NOW) is Refusal.EXPIRED


@pytest.mark.parametrize("reason", [Refusal.UNKNOWN, Refusal.REVOKED, Refusal.DISABLED])
def test_authenticate_without_a_principal_says_what_the_catalog_says(reason):
    assert authenticate(OneToken("", None, reason), [(b"x-api-key", b"key")], NOW) is reason


def test_authenticate_without_a_credential_asks_nobody():
    assert authenticate(OneToken("", None), [], NOW) is Refusal.MISSING
