import asyncpg
import pytest

SHA256 = "0" * 64


async def _owners(insert):
    org = await insert("orgs", slug="acme", name="Acme")
    team = await insert("teams", org_id=org, name="Research")
    user = await insert("users", org_id=org, email="ada@example.org")
    return org, team, user


async def test_token_with_no_or_two_owners_is_refused(insert):
    _, team, user = await _owners(insert)
    for owners in ({}, {"team_id": team, "user_id": user}):
        with pytest.raises(asyncpg.CheckViolationError, match="one_owner"):
            await insert("tokens", name="t", prefix="aq_", sha256=SHA256, **owners)


async def test_token_with_text_instead_of_a_hash_is_refused(insert):
    _, team, _ = await _owners(insert)
    with pytest.raises(asyncpg.CheckViolationError, match="sha256"):
        await insert("tokens", team_id=team, name="t", prefix="aq_", sha256="aq_the_token_itself")


async def test_grant_with_two_subjects_or_two_targets_is_refused(insert):
    org, team, _ = await _owners(insert)
    model = await insert("models", name="gpt")
    with pytest.raises(asyncpg.CheckViolationError, match="one_subject"):
        await insert("grants", org_id=org, team_id=team, model_id=model, effect="allow")
    with pytest.raises(asyncpg.CheckViolationError, match="one_target"):
        await insert("grants", org_id=org, model_id=model, model_pattern="gpt*", effect="allow")
    with pytest.raises(asyncpg.CheckViolationError, match="one_target"):
        await insert("grants", org_id=org, mcp_server_pattern="gpt*", model_pattern="gpt*", effect="allow")
    with pytest.raises(asyncpg.CheckViolationError, match="one_target"):
        await insert("grants", org_id=org, effect="allow")


async def test_grant_given_twice_is_refused_although_most_columns_are_null(insert):
    org, _, _ = await _owners(insert)
    await insert("grants", org_id=org, model_pattern="gpt*", effect="allow")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert("grants", org_id=org, model_pattern="gpt*", effect="deny")
    await insert("grants", org_id=org, mcp_server_pattern="gpt*", effect="allow")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert("grants", org_id=org, mcp_server_pattern="gpt*", effect="deny")


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "*a", "x" * 257])
async def test_grant_with_a_pattern_that_cannot_be_matched_is_refused(insert, pattern):
    org, _, _ = await _owners(insert)
    with pytest.raises(asyncpg.CheckViolationError, match="model_pattern"):
        await insert("grants", org_id=org, model_pattern=pattern, effect="allow")
    with pytest.raises(asyncpg.CheckViolationError, match="mcp_server_pattern"):
        await insert("grants", org_id=org, mcp_server_pattern=pattern, effect="allow")


async def test_usage_of_a_deleted_token_stays(connection, insert):
    _, team, _ = await _owners(insert)
    token = await insert("tokens", team_id=team, name="t", prefix="aq_", sha256=SHA256)
    await connection.execute(
        """INSERT INTO usage.requests
           (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts, token_id)
           VALUES (gen_random_uuid(), now(), 1, '/v1/chat/completions', 'chat', true, 200, 1, $1)""",
        token,
    )
    await connection.execute("DELETE FROM orgs")
    assert await connection.fetchval("SELECT count(*) FROM tokens") == 0
    assert await connection.fetchval("SELECT count(*) FROM usage.requests WHERE token_id = $1", token) == 1
