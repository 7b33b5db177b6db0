"""Which limits a caller stands under."""

import asyncpg


async def _org(insert, connection: asyncpg.Connection):
    org = await insert("orgs", slug="a", name="A")
    team = await insert("teams", org_id=org, name="everyone")
    await connection.execute("UPDATE orgs SET default_team_id = $1", team)
    return org, team


async def _token(insert, number: int, **owner: object):
    return await insert("tokens", name=f"t{number}", prefix="", sha256=f"{number:064d}", **owner)


async def _limit(insert, **values: object):
    return await insert("limits", **{"metric": "requests", "period": "minute", "amount": 3, **values})


async def test_user_in_no_team_stands_under_the_limits_of_the_default_team(insert, connection, load):
    org, team = await _org(insert, connection)
    user = await insert("users", org_id=org, email="new@a.org")
    token = await _token(insert, 1, user_id=user)
    rows = [
        await _limit(insert, org_id=org),
        await _limit(insert, team_id=team, per_member=True),
        await _limit(insert, user_id=user),
        await _limit(insert, token_id=token),
    ]
    principal = (await load()).principal(f"{1:064d}")
    assert principal.team_id == team
    assert [one.limit.id for one in principal.limits.applied] == rows
    assert [one.member for one in principal.limits.applied] == [org, user, user, token]
    assert [one.limit.name for one in principal.limits.applied] == ["a", "a/everyone", "new@a.org", "t1"]


async def test_members_of_a_team_share_its_limit_and_have_those_per_member_each(insert, connection, load):
    org, team = await _org(insert, connection)
    await _limit(insert, team_id=team)
    await _limit(insert, team_id=team, per_member=True, metric="total_tokens")
    for number in (1, 2):
        user = await insert("users", org_id=org, email=f"u{number}@a.org")
        await insert("memberships", team_id=team, user_id=user)
        await _token(insert, number, user_id=user)
    snapshot = await load()
    first, second = (snapshot.principal(f"{number:064d}").limits.applied for number in (1, 2))
    assert first[0].member == second[0].member == team
    assert first[1].member != second[1].member


async def test_user_in_several_teams_none_of_them_the_default_stands_under_all(insert, connection, load):
    org, _ = await _org(insert, connection)
    user = await insert("users", org_id=org, email="u@a.org")
    await _token(insert, 1, user_id=user)
    for name in ("x", "y"):
        team = await insert("teams", org_id=org, name=name)
        await insert("memberships", team_id=team, user_id=user)
        await _limit(insert, team_id=team)
    principal = (await load()).principal(f"{1:064d}")
    assert principal.team_id is None
    assert len(principal.limits.applied) == 2


async def test_limits_of_a_subject_come_in_one_order_whatever_their_rows_are(insert, connection, load):
    org, _ = await _org(insert, connection)
    await _token(insert, 1, user_id=await insert("users", org_id=org, email="u@a.org"))
    for metric, period in (("cost", "month"), ("requests", "day"), ("concurrency", None), ("requests", "second")):
        await _limit(insert, org_id=org, metric=metric, period=period)
    applied = (await load()).principal(f"{1:064d}").limits.applied
    assert [(one.limit.metric, one.limit.window) for one in applied] == [
        ("requests", "second"),
        ("requests", "day"),
        ("cost", "month"),
        ("concurrency", None),
    ]


async def test_limit_of_a_model_counts_requests_for_it_alone(insert, connection, load):
    org, team = await _org(insert, connection)
    await _token(insert, 1, team_id=team)
    model = await insert("models", name="m")
    await _limit(insert, org_id=org, model_id=model)
    await _limit(insert, org_id=org, model_pattern="vendor/*")
    limits = (await load()).principal(f"{1:064d}").limits
    assert [one.limit.model for one in limits.of("m").applied] == ["m"]
    assert [one.limit.model for one in limits.of("vendor/x").applied] == ["vendor/*"]
    assert limits.of("other").applied == ()


async def test_user_owes_terms_until_their_present_version_is_accepted(insert, connection, load):
    org, team = await _org(insert, connection)
    user = await insert("users", org_id=org, email="u@a.org")
    await _token(insert, 1, user_id=user)
    await _token(insert, 2, team_id=team)
    owes = []
    for statement in (
        "SELECT 1",
        "UPDATE orgs SET terms_version = 'v2'",
        "UPDATE users SET accepted_terms = 'v1'",
        "UPDATE users SET accepted_terms = 'v2'",
    ):
        await connection.execute(statement)
        owes.append((await load()).principal(f"{1:064d}").owes_terms)
    assert owes == [None, "v2", "v2", None]
    assert not (await load()).principal(f"{2:064d}").owes_terms
