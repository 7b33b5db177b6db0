"""Who may use which MCP server, as callers are told it and as operators change it while the gateway runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway
from serving_process import wait_until

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in ("team", "bot", "ada", "other")}
CONFIG = """
orgs:
- {slug: o, teams: [{name: t}, {name: u}], users: [{email: ada@o.org}], service_accounts: [{name: bot, team: t}]}
- {slug: other, teams: [{name: t}]}
memberships: [{team: o/t, user: ada@o.org}, {team: o/u, user: ada@o.org}]
tokens:
- {name: team, owner: 'team:o/t', token: 'env:team'}
- {name: bot, owner: 'service:o/t/bot', token: 'env:bot'}
- {name: ada, owner: 'user:ada@o.org', token: 'env:ada'}
- {name: other, owner: 'team:other/t', token: 'env:other'}
mcp_servers:
- {name: mail, url: 'https://mail.example.org/mcp'}
- {name: idle, url: 'https://idle.example.org/mcp', enabled: false}
- {name: search-web, url: 'https://web.example.org/mcp'}
- {name: search-wiki, url: 'https://wiki.example.org/mcp'}
- {name: unset, url: 'https://unset.example.org/mcp', headers: {authorization: 'env:NOT_SET_ANYWHERE'}}
grants:
- {subject: 'org:o', deny_mcp_servers: [search-wiki], deny: ['ma*']}
- {subject: 'team:o/t', allow_mcp_servers: ['search-*', mail]}
- {subject: 'service:o/t/bot', allow_mcp_servers: ['search-*']}
- {subject: 'token:ada', deny_mcp_servers: ['search-*']}
"""


@pytest.fixture(scope="module")
def gateway(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("mcp")
    url = fresh_database(gateway_cluster, "mcp")
    apply_yaml(url, CONFIG, folder, TOKENS)
    with running_gateway(Settings(database_url=url, data_dir=str(folder))) as gateway:
        yield gateway


def servers(gateway: RunningGateway, who: str) -> list[str]:
    answer = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who]))
    assert b"example.org/mcp" not in answer.body
    found: list[str] = answer.json()["mcp_servers"]
    return found


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ("team", ["mail", "search-web"]),
        ("bot", ["search-web"]),
        ("ada", ["mail"]),
        ("other", ["mail", "search-web", "search-wiki"]),
    ],
)
def test_caller_is_told_exactly_the_servers_that_every_scope_permits(
    gateway: RunningGateway, who: str, names: list[str]
) -> None:
    assert servers(gateway, who) == names


def test_grant_and_server_changed_in_the_database_take_effect_without_a_restart(gateway: RunningGateway) -> None:
    url = str(gateway.settings.database_url)
    assert servers(gateway, "other") == ["mail", "search-web", "search-wiki"]
    execute(url, "UPDATE mcp_servers SET enabled = false WHERE name = 'search-web'")
    wait_until(lambda: servers(gateway, "other") == ["mail", "search-wiki"], 10, "the server to be gone")
    execute(
        url,
        "INSERT INTO grants (org_id, mcp_server_pattern, effect) SELECT id, 'ma*', 'allow' FROM orgs"
        " WHERE slug = 'other'",
    )
    wait_until(lambda: servers(gateway, "other") == ["mail"], 10, "the grant to count")
    execute(url, "UPDATE mcp_servers SET enabled = true; DELETE FROM grants WHERE mcp_server_pattern = 'ma*'")
    everything = ["idle", "mail", "search-web", "search-wiki"]
    wait_until(lambda: servers(gateway, "other") == everything, 10, "everything to be back")
