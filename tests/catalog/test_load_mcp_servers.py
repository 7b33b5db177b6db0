"""MCP servers in the catalog: which can be reached, and who may use which."""

import json

import pytest

from .conftest import HASH


@pytest.fixture(autouse=True)
async def servers(insert):
    for name in ("search-web", "search-wiki", "mail"):
        await insert("mcp_servers", name=name, url=f"https://{name}.example.org/mcp")
    await insert("models", name="mail")


async def _visible(load) -> list[str]:
    snapshot = await load()
    principal = snapshot.principal(HASH)
    assert principal is not None
    return [server.name for server in snapshot.visible_mcp_servers(principal)]


async def test_server_has_its_headers_from_the_environment(load, acme, token, insert):
    await token(team_id=acme.team)
    headers = {"authorization": "env:GOOD_KEY"}
    await insert("mcp_servers", name="a", title="A", url="http://127.0.0.1:1/?x=y", headers=json.dumps(headers))
    snapshot = await load()
    server = snapshot.visible_mcp_servers(snapshot.principal(HASH))[0]
    assert (server.name, server.title, server.url) == ("a", "A", "http://127.0.0.1:1/?x=y")
    assert server.headers["authorization"].value == "sk-good"
    assert "sk-good" not in repr(server)


@pytest.mark.parametrize(
    "values",
    [
        {"headers": json.dumps({"x": "env:MISSING"})},
        {"headers": json.dumps({"x": "enc:v1:AAAA"})},
        {"headers": json.dumps({"x": "plain"})},
        {"headers": json.dumps({"x": 1})},
        {"headers": json.dumps({"a b": "env:GOOD_KEY"})},
        {"url": "http://"},
        {"url": "http://h:99999/"},
        {"url": "http://u:p@h/"},
        {"url": "http://h/#x"},
        {"url": "http://h/ x"},
    ],
)
async def test_server_that_cannot_be_reached_is_reported_and_hidden(load, acme, token, insert, values):
    await token(team_id=acme.team)
    await insert("mcp_servers", **{"name": "bad", "url": "http://h", **values})
    assert await _visible(load) == ["mail", "search-web", "search-wiki"]
    assert [(problem.table, problem.name) for problem in (await load()).problems] == [("mcp_servers", "bad")]


async def test_server_whose_row_turns_bad_stays_as_it_was(load, acme, token, connection):
    await token(team_id=acme.team)
    await load()
    await connection.execute("UPDATE mcp_servers SET url = 'http://' WHERE name = 'mail'")
    snapshot = await load()
    server = snapshot.visible_mcp_servers(snapshot.principal(HASH))[0]
    assert (server.name, server.url) == ("mail", "https://mail.example.org/mcp")
    assert "last good version" in snapshot.problems[0].reason
    await connection.execute("UPDATE mcp_servers SET enabled = false WHERE name = 'mail'")
    assert await _visible(load) == ["search-web", "search-wiki"]


async def test_server_that_is_no_http_address_cannot_be_stored(insert):
    for url in ("stdio:///bin/sh", "/bin/sh", "file:///etc/passwd", "ws://h/"):
        with pytest.raises(Exception, match="ck_mcp_servers_url"):
            await insert("mcp_servers", name="a", url=url)


async def test_visible_servers_without_grants_are_all_sorted(load, acme, token):
    await token(team_id=acme.team)
    assert await _visible(load) == ["mail", "search-web", "search-wiki"]


@pytest.mark.parametrize("scope", ["org", "team", "user", "token"])
async def test_visible_servers_under_an_allow_list_on_any_scope_are_only_those(load, acme, token, insert, scope):
    subject = {"token": await token(user_id=acme.user), "org": acme.org, "team": acme.team, "user": acme.user}[scope]
    await insert("grants", **{f"{scope}_id": subject}, mcp_server_pattern="search-*", effect="allow")
    assert await _visible(load) == ["search-web", "search-wiki"]


@pytest.mark.parametrize("scope", ["org", "team", "service_account", "token"])
async def test_visible_servers_under_a_denial_on_any_scope_lack_it_whatever_else_allows(
    load, acme, token, insert, connection, scope
):
    of = {"token": await token(service_account_id=acme.account), "org": acme.org, "team": acme.team}
    subjects = {**of, "service_account": acme.account}
    mail = await connection.fetchval("SELECT id FROM mcp_servers WHERE name = 'mail'")
    for name, subject in subjects.items():
        await insert("grants", **{f"{name}_id": subject}, mcp_server_pattern="*", effect="allow")
    await insert("grants", **{f"{scope}_id": subjects[scope]}, mcp_server_id=mail, effect="deny")
    assert await _visible(load) == ["search-web", "search-wiki"]


async def test_visible_servers_below_a_narrow_scope_are_not_widened_by_a_narrower_one(load, acme, token, insert):
    mine = await token(user_id=acme.user)
    await insert("grants", org_id=acme.org, mcp_server_pattern="mail", effect="allow")
    await insert("grants", token_id=mine, mcp_server_pattern="search-*", effect="allow")
    assert await _visible(load) == []


async def test_grants_of_models_and_of_servers_do_not_touch_each_other(load, acme, token, insert):
    await token(team_id=acme.team)
    await insert("grants", team_id=acme.team, model_pattern="nothing", effect="allow")
    assert await _visible(load) == ["mail", "search-web", "search-wiki"]
    await insert("grants", org_id=acme.org, mcp_server_pattern="*", effect="deny")
    assert await _visible(load) == []
    snapshot = await load()
    assert snapshot.visible_models(snapshot.principal(HASH)) == ()
    assert snapshot.may_use(snapshot.principal(HASH), "nothing")


@pytest.mark.parametrize("effect", ["allow", "deny"])
async def test_visible_servers_under_an_unreadable_grant_are_none(load, acme, token, insert, connection, effect):
    await token(team_id=acme.team)
    await connection.execute("ALTER TABLE grants DROP CONSTRAINT ck_grants_mcp_server_pattern")
    await insert("grants", team_id=acme.team, mcp_server_pattern="a*1", effect=effect)
    assert await _visible(load) == []
    assert [problem.table for problem in (await load()).problems] == ["grants"]


@pytest.mark.parametrize("kind", ["model", "mcp_server"])
async def test_what_a_grant_names_cannot_be_deleted_so_that_no_allow_list_vanishes(
    load, acme, token, insert, connection, kind
):
    await token(team_id=acme.team)
    target = await connection.fetchval(f"SELECT id FROM {kind}s WHERE name = 'mail'")  # noqa: S608 - our own tables
    await insert("grants", team_id=acme.team, **{f"{kind}_id": target}, effect="allow")
    with pytest.raises(Exception, match=f"fk_grants_{kind}_id"):
        await connection.execute(f"DELETE FROM {kind}s WHERE name = 'mail'")  # noqa: S608 - our own tables
    await connection.execute("DELETE FROM orgs")
    await connection.execute(f"DELETE FROM {kind}s WHERE name = 'mail'")  # noqa: S608 - our own tables
