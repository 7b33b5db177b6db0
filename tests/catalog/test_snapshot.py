from uuid import UUID

import msgspec
import pytest

from adapters.base import Deployment
from aqueduct.auth.credentials import Refusal
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import (
    MAX_NAME_CHARS,
    WILDCARD_CACHE_NAMES,
    Contents,
    ResolvedModel,
    RoutedDeployment,
    Snapshot,
)

WILDCARD = ResolvedModel(
    id=UUID(int=1),
    name="v/*",
    catalog_name="v/*",
    created=0,
    owned_by="x",
    operations=frozenset(),
    context_window=None,
    max_output_tokens=None,
    request_weight=1,
    extra_params="drop",
    deployments=(
        RoutedDeployment(Deployment(id="d", model="v/*", provider="p", adapter="echo", upstream_model="up-*"), 0, 1),
    ),
)


class Nobody:
    def of(self, sha256: str) -> Refusal:
        del sha256
        return Refusal.UNKNOWN


def _snapshot() -> Snapshot:
    exact = msgspec.structs.replace(WILDCARD, name="v/x y", catalog_name="v/x y")
    contents = Contents(owners=Nobody(), models={"v/x y": exact}, wildcards=(WILDCARD,))
    return Snapshot(1, 0.0, contents)


@pytest.mark.parametrize("matched", ["a", "a.b-c_1:2@3", "org/model", "a..b", "...a", "x" * (MAX_NAME_CHARS - 2)])
def test_resolve_of_a_plain_name_reaches_upstream_as_it_is(matched):
    model = _snapshot().resolve("v/" + matched)
    assert model is not None
    assert model.deployments[0].deployment.upstream_model == "up-" + matched


@pytest.mark.parametrize(
    "matched",
    [
        *("", "..", ".", "../x", "a/../b", "a/..", "./a", "a//b", "/a", "a/", "a b", "a\\b", "a?b", "a#b", "a%2e"),
        *("a\x00", "a\nb", "a\x7f", "ä", "\u202ea", "*", "a*", "x" * (MAX_NAME_CHARS - 1)),
    ],
)
def test_resolve_of_a_name_that_could_change_a_path_finds_nothing(matched):
    assert _snapshot().resolve("v/" + matched) is None


def test_resolve_of_a_configured_name_takes_it_whatever_it_holds():
    assert _snapshot().resolve("v/x y") is not None


def test_resolve_twice_of_a_wildcard_name_remembers_it():
    snapshot = _snapshot()
    assert snapshot.resolve("v/a") is snapshot.resolve("v/a")


def test_resolve_of_endless_names_remembers_a_bounded_number():
    snapshot = _snapshot()
    for number in range(WILDCARD_CACHE_NAMES + 50):
        assert snapshot.resolve(f"v/{number}") is not None
    assert len(snapshot._by_wildcard) == WILDCARD_CACHE_NAMES


class Everybody:
    def of(self, sha256: str) -> Principal:
        row = UUID(int=int(sha256))
        return Principal(token_id=row, token_name="t", owner_kind="user", org_id=UUID(int=0), org_slug="o", user_id=row)


def test_revoking_looks_at_none_of_those_who_were_let_in_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be 100,000 of them, and requests would wait for it."""
    snapshot = Snapshot(1, 0.0, Contents(owners=Everybody(), models={}, wildcards=()))
    let_in = [snapshot.principal(str(number)) for number in range(1, 100)]
    looks: list[Principal] = []
    look = Snapshot._revocation

    def counted(self: Snapshot, principal: Principal) -> Refusal | None:
        looks.append(principal)
        return look(self, principal)

    monkeypatch.setattr(Snapshot, "_revocation", counted)
    snapshot.revoke({UUID(int=7): Refusal.REVOKED})
    assert looks == []
    assert snapshot.principal("7") is None, "it was let in before"
    assert snapshot.refusal("7") is Refusal.REVOKED
    assert snapshot.principal("8") is let_in[7]
