"""Identity and grants as people meet them: the file, the command line and the API of one gateway. Trap 14."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from gateway_fixtures import execute, fresh_database
from raw_http import Answer, ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway
from serving_process import CHAT, fetch, wait_until

from aqueduct.cli.program import program
from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

OWNERS = {
    "new": "user:new@a.org",
    "denied": "user:denied@a.org",
    "narrow": "user:new@a.org",
    "team": "team:a/s",
    "bot": "service:a/s/bot",
    "orgless": "user:u@b.org",
}
TOKENS = {name: f"aq_{name:-<12}-token-for-tests-0123456789" for name in OWNERS}
DENIED = {"denied": "by_user", "narrow": "by_token", "team": "by_team", "bot": "by_service", "orgless": "by_org"}
"""Who has which model denied, each by a grant of another kind of subject."""
MODELS = ("open", *DENIED.values())
_numbers = itertools.count(1)


def configuration() -> str:
    tokens = "\n".join(
        f"- {{name: {name}, owner: '{owner}', token: 'env:TOKEN_{name}'}}" for name, owner in OWNERS.items()
    )
    models = "\n".join(f"- {{name: {name}, deployments: [{{provider: e, upstream_model: echo}}]}}" for name in MODELS)
    return f"""
orgs:
- slug: a
  default_team: everyone
  teams: [{{name: everyone}}, {{name: s}}]
  users: [{{email: new@a.org}}, {{email: denied@a.org}}]
  service_accounts: [{{name: bot, team: s}}]
- {{slug: b, users: [{{email: u@b.org}}]}}
tokens:
{tokens}
providers: [{{name: e, adapter: echo}}]
models:
{models}
grants:
- {{subject: 'user:denied@a.org', deny: [by_user]}}
- {{subject: 'token:narrow', allow: [open, by_user], deny: [by_token]}}
- {{subject: 'team:a/s', deny: [by_team]}}
- {{subject: 'service:a/s/bot', deny: [by_service]}}
- {{subject: 'org:b', deny: [by_org]}}
limits:
- {{subject: 'team:a/everyone', each: member, metric: requests, window: hour, amount: 30}}
- {{subject: 'team:a/everyone', each: member, metric: total_tokens, window: hour, amount: 20000}}
"""


@pytest.fixture(scope="module")
def identity(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("identity")
    url = fresh_database(gateway_cluster, f"identity_{next(_numbers)}")
    apply_yaml(url, configuration(), folder, {f"TOKEN_{name}": token for name, token in TOKENS.items()})
    settings = Settings(database_url=url, data_dir=str(folder), journal_dir=str(folder / "journal"), usage_flush_s=0.1)
    with running_gateway(settings) as gateway:
        yield gateway


def get(gateway: RunningGateway, path: str, token: str) -> Answer:
    return ask(gateway.port, request_bytes(path, method="GET", token=token))


def chat(gateway: RunningGateway, token: str, model: str = "open") -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=token))


def command(gateway: RunningGateway, *arguments: str) -> str:
    environment = {"AQUEDUCT_DATABASE_URL": str(gateway.settings.database_url)}
    result = CliRunner().invoke(program, arguments, prog_name="aqueduct", env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


def test_new_user_is_in_the_default_team_and_has_its_limits_for_himself(identity: RunningGateway) -> None:
    for _ in range(3):
        assert chat(identity, TOKENS["new"]).status == 200
    limits = {name: get(identity, "/v1/me", TOKENS[name]).json()["limits"] for name in ("new", "denied", "team")}
    assert [(one["subject"], one["metric"], one["per_member"]) for one in limits["new"]] == [  # type: ignore[index,union-attr]  # a list of objects
        ("a/everyone", "requests", True), ("a/everyone", "total_tokens", True),
    ]  # fmt: skip
    used = {name: [one["used"] for one in found] for name, found in limits.items()}  # type: ignore[union-attr,index]  # as above
    assert used["new"][0] == 3
    assert used["denied"] == [0, 0]
    assert used["team"] == []


def test_operator_sees_where_an_owner_stands_as_the_owner_does(identity: RunningGateway) -> None:
    names = ("metric", "window", "limit", "used", "remaining", "per_member")
    for _ in range(2):
        assert chat(identity, TOKENS["denied"]).status == 200
    told = get(identity, "/v1/me", TOKENS["denied"]).json()["limits"]

    listed = json.loads(command(identity, "limits", "list", "--of", "user:denied@a.org", "--json"))
    every = json.loads(command(identity, "limits", "list", "--json"))
    of_team = json.loads(command(identity, "limits", "list", "--of", "team:a/everyone", "--json"))

    assert [[one[name] for name in names] for one in listed] == [[one[name] for name in names] for one in told]  # type: ignore[union-attr,index]  # a list of objects
    assert listed[0]["used"] == 2
    assert [(one["subject"], one["metric"], one["used"]) for one in every] == [
        ("team:a/everyone", "requests", None), ("team:a/everyone", "total_tokens", None),
    ]  # fmt: skip
    assert of_team == [], "the team's tokens have them each for itself"
    table = command(identity, "limits", "list", "--of", "user:denied@a.org")
    assert "team:a/everyone, each member" in table
    assert "30 requests" in table


def test_caller_is_told_its_names(identity: RunningGateway) -> None:
    names = ("owner", "org", "team", "user", "service_account", "teams")
    found = {who: get(identity, "/v1/me", TOKENS[who]).json() for who in ("new", "team", "bot", "orgless")}
    assert {who: tuple(me[name] for name in names) for who, me in found.items()} == {
        "new": ("user", "a", "a/everyone", "new@a.org", None, ["a/everyone"]),
        "team": ("team", "a", "a/s", None, None, ["a/s"]),
        "bot": ("service_account", "a", "a/s", None, "a/s/bot", ["a/s"]),
        "orgless": ("user", "b", None, "u@b.org", None, []),
    }


@pytest.mark.parametrize("who", DENIED)
def test_model_denied_to_any_kind_of_subject_does_not_exist_for_it(identity: RunningGateway, who: str) -> None:
    shown = [model["id"] for model in get(identity, "/v1/models", TOKENS[who]).json()["data"]]  # type: ignore[union-attr,index]  # a list of objects
    expected = set(MODELS) - {DENIED[who]} - ({"by_team"} if who == "bot" else set())
    assert set(shown) == ({"open", "by_user"} if who == "narrow" else expected)
    for model in MODELS:
        answer = chat(identity, TOKENS[who], model)
        if model in shown:
            assert answer.status == 200, model
        else:
            assert (answer.status, answer.error()["code"]) == (404, "model_not_found"), model


def test_token_is_created_used_rotated_with_grace_expired_and_revoked(identity: RunningGateway) -> None:
    url = str(identity.settings.database_url)
    token = command(identity, "token", "create", "--owner", "service:a/s/bot", "--name", "walk", "--expires", "1d")
    assert fetch(url, "SELECT sha256 LIKE '%' || $$walk$$ AS x FROM tokens WHERE name = 'walk'") == [{"x": False}]
    wait_until(lambda: chat(identity, token).status == 200, 10, "the new token works")

    def listed() -> list[dict[str, str | None]]:
        return [
            one for one in json.loads(command(identity, "token", "list", "--all", "--json")) if one["name"] == "walk"
        ]

    wait_until(lambda: listed()[0]["last_used_at"] is not None, 10, "its use is noted")
    successor = command(identity, "token", "rotate", "walk", "--grace", "1h")
    wait_until(lambda: chat(identity, successor).status == 200, 10, "its successor works")
    assert chat(identity, token).status == 200, "and so does it, in its grace"
    assert sorted(str(one["state"]) for one in listed()) == ["active", "replaced"]

    execute(
        url,
        "UPDATE tokens SET grace_until = now() - interval '1 second' WHERE name = 'walk' AND grace_until IS NOT NULL",
    )
    wait_until(lambda: chat(identity, token).status == 401, 10, "its grace is over")
    assert chat(identity, successor).status == 200
    execute(url, "UPDATE tokens SET expires_at = now() - interval '1 second' WHERE name = 'walk'")
    wait_until(lambda: chat(identity, successor).status == 401, 10, "it has expired")
    assert chat(identity, successor).error()["code"] == "expired_api_key"
    assert chat(identity, "aq_nobody-0123456789abcdef0123456789").error()["code"] == "invalid_api_key"
