from datetime import UTC, datetime, timedelta

import pytest

from aqueduct.auth.credentials import Refusal

from .conftest import HASH, NOW

AT_NOW = datetime.fromtimestamp(NOW, UTC)
LATER, EARLIER = AT_NOW + timedelta(hours=1), AT_NOW - timedelta(hours=1)


@pytest.fixture(autouse=True)
async def models(insert):
    for name in ("a/1", "a/2", "b"):
        await insert("models", name=name, aliases=["bee"] if name == "b" else [])


async def _visible(load) -> list[str]:
    snapshot = await load()
    principal = snapshot.principal(HASH)
    assert principal is not None
    return [model.name for model in snapshot.visible_models(principal)]


async def test_principal_of_each_kind_of_owner_has_its_place(load, acme, token):
    await token("1" * 64, user_id=acme.user)
    await token("2" * 64, team_id=acme.team)
    await token("3" * 64, service_account_id=acme.account)
    snapshot = await load()
    found = [snapshot.principal(digit * 64) for digit in "123"]
    assert [(p.owner_kind, p.org_slug, p.org_id, p.team_id) for p in found if p] == [
        (kind, "acme", acme.org, acme.team) for kind in ("user", "team", "service_account")
    ]
    assert [(p.user_id, p.service_account_id) for p in found if p] == [
        (acme.user, None),
        (None, None),
        (None, acme.account),
    ]


async def test_principal_of_a_user_in_several_teams_is_booked_on_the_default_team(
    load, acme, token, insert, connection
):
    await token(user_id=acme.user)
    await insert("memberships", team_id=acme.other_team, user_id=acme.user)
    principal = (await load()).principal(HASH)
    assert principal is not None
    assert principal.team_id is None
    await connection.execute("UPDATE orgs SET default_team_id = $1", acme.other_team)
    principal = (await load()).principal(HASH)
    assert principal is not None
    assert principal.team_id == acme.other_team


@pytest.mark.parametrize(
    ("values", "expires_at"),
    [
        ({}, None),
        ({"expires_at": LATER}, LATER),
        ({"expires_at": LATER, "grace_until": LATER - timedelta(minutes=1)}, LATER - timedelta(minutes=1)),
        ({"grace_until": LATER}, LATER),
    ],
)
async def test_principal_expires_at_the_earlier_of_expiry_and_grace(load, acme, token, values, expires_at):
    await token(team_id=acme.team, **values)
    principal = (await load()).principal(HASH)
    assert principal is not None
    assert principal.expires_at == (None if expires_at is None else expires_at.timestamp())


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"revoked_at": EARLIER}, Refusal.REVOKED),
        ({"revoked_at": LATER}, Refusal.REVOKED),
        ({"expires_at": EARLIER}, Refusal.EXPIRED),
        ({"expires_at": LATER, "grace_until": EARLIER}, Refusal.EXPIRED),
    ],
)
async def test_token_out_of_force_has_no_principal_but_a_reason(load, acme, token, values, refusal):
    await token(team_id=acme.team, **values)
    snapshot = await load()
    assert snapshot.principal(HASH) is None
    assert snapshot.refusal(HASH) is refusal
    assert snapshot.refusal("f" * 64) is Refusal.UNKNOWN


async def test_token_replaced_without_grace_is_revoked(load, acme, token):
    successor = await token("1" * 64, team_id=acme.team)
    await token(team_id=acme.team, replaced_by_id=successor)
    assert (await load()).refusal(HASH) is Refusal.REVOKED


@pytest.mark.parametrize(
    ("owner", "table"),
    [
        ("user", "orgs"),
        ("user", "users"),
        ("team", "orgs"),
        ("team", "teams"),
        ("service_account", "orgs"),
        ("service_account", "teams"),
        ("service_account", "service_accounts"),
    ],
)
async def test_token_of_a_disabled_owner_is_disabled(load, acme, token, connection, owner, table):
    owners = {"user": acme.user, "team": acme.team, "service_account": acme.account}
    await token(**{f"{owner}_id": owners[owner]})
    await connection.execute(f"UPDATE {table} SET enabled = false")  # noqa: S608 - our own tables
    snapshot = await load()
    assert snapshot.principal(HASH) is None
    assert snapshot.refusal(HASH) is Refusal.DISABLED


async def test_token_of_a_user_in_a_disabled_team_works_and_is_booked_on_no_team(load, acme, token, connection):
    await token(user_id=acme.user)
    await connection.execute("UPDATE teams SET enabled = false")
    principal = (await load()).principal(HASH)
    assert principal is not None
    assert principal.team_id is None


async def test_visible_models_without_grants_are_all_sorted(load, acme, token):
    await token(team_id=acme.team)
    assert await _visible(load) == ["a/1", "a/2", "b"]


@pytest.mark.parametrize("scope", ["org", "team", "user", "token"])
async def test_visible_models_under_an_allow_list_on_any_scope_are_only_those(load, acme, token, insert, scope):
    subject = {"token": await token(user_id=acme.user), "org": acme.org, "team": acme.team, "user": acme.user}[scope]
    await insert("grants", **{f"{scope}_id": subject}, model_pattern="a/*", effect="allow")
    assert await _visible(load) == ["a/1", "a/2"]


async def test_visible_models_under_grants_of_other_subjects_are_unchanged(load, acme, token, insert):
    await token(service_account_id=acme.account)
    await insert("grants", user_id=acme.user, model_pattern="*", effect="deny")
    await insert("grants", team_id=acme.other_team, model_pattern="*", effect="deny")
    assert await _visible(load) == ["a/1", "a/2", "b"]


async def test_visible_models_under_allow_and_deny_lose_the_denied(load, acme, token, insert, connection):
    await token(service_account_id=acme.account)
    denied = await connection.fetchval("SELECT id FROM models WHERE name = 'a/2'")
    await insert("grants", org_id=acme.org, model_id=denied, effect="deny")
    await insert("grants", service_account_id=acme.account, model_pattern="a/*", effect="allow")
    await insert("grants", service_account_id=acme.account, model_id=denied, effect="allow")
    assert await _visible(load) == ["a/1"]


async def test_visible_models_of_a_grant_by_alias_are_those_of_its_model(load, acme, token, insert):
    await token(team_id=acme.team)
    await insert("grants", team_id=acme.team, model_pattern="bee", effect="allow")
    assert await _visible(load) == ["b"]


async def test_visible_models_of_a_user_in_two_teams_are_what_one_of_them_permits(
    load, acme, token, insert, connection
):
    await token(user_id=acme.user)
    await insert("memberships", team_id=acme.other_team, user_id=acme.user)
    await insert("grants", team_id=acme.team, model_pattern="b", effect="allow")
    await insert("grants", team_id=acme.other_team, model_pattern="a/1", effect="allow")
    assert await _visible(load) == ["a/1", "b"]
    await connection.execute("UPDATE teams SET enabled = false WHERE id = $1", acme.team)
    assert await _visible(load) == ["a/1"]
    await connection.execute("UPDATE teams SET enabled = false")
    assert await _visible(load) == ["a/1", "b"], "disabling the last team must not lift its rules"


@pytest.mark.parametrize("effect", ["allow", "deny"])
async def test_visible_models_under_an_unreadable_grant_are_none(load, acme, token, insert, connection, effect):
    await token(team_id=acme.team)
    await connection.execute("ALTER TABLE grants DROP CONSTRAINT ck_grants_model_pattern")
    await insert("grants", team_id=acme.team, model_pattern="a*1", effect=effect)
    assert await _visible(load) == []
    assert [problem.table for problem in (await load()).problems] == ["grants"]


async def test_membership_in_a_foreign_team_is_reported_and_gives_nothing(load, acme, token, insert):
    await token(user_id=acme.user)
    foreign = await insert("orgs", slug="foreign", name="Foreign")
    team = await insert("teams", org_id=foreign, name="foreign")
    await insert("memberships", team_id=team, user_id=acme.user)
    snapshot = await load()
    principal = snapshot.principal(HASH)
    assert principal is not None
    assert principal.team_id == acme.team
    assert [(problem.table, problem.name) for problem in snapshot.problems] == [("memberships", "foreign")]
