"""What each command prints, stores and ends with."""

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.cli.conftest import CONTENT, Run

CANARY = "canary-password-0123456789"


def fetch(url: str, query: str) -> list[asyncpg.Record]:
    """Rows of the database, as another program reads them."""

    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(read())


def test_version_and_help_end_with_zero(run: Run) -> None:
    assert run("--version").stdout.startswith("aqueduct, version ")
    done = run("--help")
    assert done.returncode == 0
    assert "Exit codes: 0 done; 1 refused or failed" in done.stdout


@pytest.mark.parametrize("arguments", [("nonsense",), ("apply",), ("token", "create"), ("migrate", "--nonsense")])
def test_wrong_usage_ends_with_two(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Usage: aqueduct" in done.stderr


def test_apply_prints_the_plan_and_the_second_time_no_changes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aqueduct.yaml").write_text(CONTENT, "utf-8")
    dry = run("apply", "aqueduct.yaml", "--dry-run")
    assert "+ model m (aliases: n)" in dry.stdout
    assert "Would be 11 created, 0 changed, 0 deleted." in dry.stdout
    assert "Done: 11 created" in run("apply", "aqueduct.yaml").stdout
    assert run("apply", "aqueduct.yaml").stdout == "No changes.\n"
    (tmp_path / "less.yaml").write_text("models: [{name: m, aliases: [k]}]\ntokens: []\n", "utf-8")
    changed = json.loads(run("apply", "less.yaml", "--json").stdout)
    assert changed["applied"] is True
    assert changed["changes"] == [
        {
            "action": "change",
            "kind": "model",
            "name": "m",
            "fields": [{"name": "aliases", "before": "n", "after": "k"}],
        }
    ]


def test_apply_of_a_wrong_file_names_file_and_line_and_ends_with_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("models:\n- name: a\n  wieght: 1\n", "utf-8")
    done = run("apply", "wrong.yaml")
    assert done.returncode == 1
    assert done.stderr == (
        "wrong.yaml:3: models[0].wieght: unknown key 'wieght'; known here: name, aliases, operations, context_window, "
        "max_output_tokens, request_weight, extra_params, signature_vault, multiple_answers, schema_check, auto_cache, "
        "fetch_media, max_queries, max_seconds, owned_by, deployments, enabled\nNothing was applied.\n"
    )
    assert done.stdout == ""


def test_export_can_be_applied_and_changes_nothing(filled: Run, tmp_path: Path) -> None:
    assert filled("export", "--output", "out.yaml").returncode == 0
    assert filled("apply", "out.yaml", "--prune").stdout == "No changes.\n"
    assert filled("export").stdout == (tmp_path / "out.yaml").read_text("utf-8")


def test_prices_are_applied_shown_and_exported_as_they_stand_in_the_file(filled: Run, tmp_path: Path) -> None:
    text = (
        "prices:\n- model: m\n  provider: p\n  upstream_model: x\n  meter: output\n  amount: '12.5'\n"
        "  tier: batch\n  above_tokens: 200000\n  valid_from: '2026-01-31'\n"
        "- model: m\n  meter: input\n  amount: '0.000000000001'\n  per: 1\n"
    )
    (tmp_path / "prices.yaml").write_text(text, "utf-8")
    plan = filled("apply", "prices.yaml")
    assert "+ price m input (amount: 0.000000000001; per: 1)" in plan.stdout
    assert "+ price m -> p:x output batch above 200000 from 2026-01-31T00:00:00+00:00 (amount: 12.5)" in plan.stdout
    assert filled("apply", "prices.yaml", "--prune").stdout == "No changes.\n"
    exported = filled("export").stdout
    assert exported[exported.index("prices:") :] == text
    listed = json.loads(filled("prices", "list", "--json").stdout)
    assert [(price["subject"], price["amount"]) for price in listed] == [("m", "0.000000000001"), ("m at p:x", "12.5")]


def test_token_create_prints_only_the_token_and_stores_its_hash(filled: Run) -> None:
    done = filled("token", "create", "--owner", "service:job", "--name", "ci", "--expires", "90d")
    token = done.stdout.strip()
    assert token.startswith("aq_")
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [(row["owner"], row["state"], row["prefix"]) for row in listed] == [
        ("service:a/t/job", "active", token[:10])
    ]
    everything = filled("token", "list", "--all", "--json").stdout + filled("token", "list").stdout + done.stderr
    assert token not in everything
    assert hashlib.sha256(token.encode()).hexdigest() not in everything


def test_token_rotate_keeps_grants_limits_and_lifetime_and_gives_grace(
    filled: Run, database_url: str, tmp_path: Path
) -> None:
    options = ("--owner", "user:ADA@a.org", "--name", "k", "--expires", "10d", "--json")
    made = json.loads(filled("token", "create", *options).stdout)
    (tmp_path / "grant.yaml").write_text(
        "grants: [{subject: 'token:k', deny: [m], deny_mcp_servers: [wiki, 'x*']}]\n"
        "limits: [{subject: 'token:k', metric: cost, window: day, amount: 3, mode: shadow, model: m}]",
        "utf-8",
    )
    assert filled("apply", "grant.yaml").returncode == 0
    fresh = json.loads(filled("token", "rotate", "k", "--grace", "1h", "--json").stdout)
    rows = fetch(database_url, "SELECT * FROM tokens ORDER BY created_at")
    old, new = rows
    assert (str(old["id"]), str(new["id"])) == (made["id"], fresh["id"])
    assert old["replaced_by_id"] == new["id"]
    assert 3500 < (old["grace_until"] - new["created_at"]).total_seconds() < 3700
    assert abs((new["expires_at"] - new["created_at"]).total_seconds() - 864_000) < 60
    for table, rules in (("grants", 3), ("limits", 1)):
        found = [dict(row) for row in fetch(database_url, f"SELECT * FROM {table} ORDER BY created_at")]  # noqa: S608 - ours
        assert [row.pop("token_id") for row in found] == [old["id"]] * rules + [new["id"]] * rules
        kept = [{name: value for name, value in row.items() if name not in {"id", "created_at"}} for row in found]
        assert sorted(map(str, kept[:rules])) == sorted(map(str, kept[rules:]))
    assert new["sha256"] == hashlib.sha256(fresh["token"].encode()).hexdigest()
    again = filled("token", "rotate", made["id"])
    assert (again.returncode, "is replaced already" in again.stderr) == (1, True)
    assert filled("apply", "grant.yaml").stdout == "No changes.\n"


def test_mcp_list_shows_servers_and_the_names_of_their_headers(filled: Run) -> None:
    listed = json.loads(filled("mcp", "list", "--json").stdout)
    assert listed == [
        {
            "name": "wiki",
            "title": "Wiki",
            "description": None,
            "url": "https://wiki.example.org/mcp?x=y",
            "headers": ["authorization"],
            "enabled": False,
        }
    ]
    table = filled("mcp", "list").stdout
    assert "wiki (disabled)" in table
    assert "MISSING_AUTH" not in table
    found = {row["check"]: row for row in json.loads(filled("doctor", "--json").stdout)}
    assert found["MCP server wiki"]["text"] == "disabled"


def test_doctor_names_the_header_of_a_server_that_cannot_be_had(filled: Run, tmp_path: Path) -> None:
    server = "{name: wiki, url: 'https://wiki.example.org/mcp', headers: {authorization: 'env:MISSING_AUTH'}}"
    (tmp_path / "on.yaml").write_text(f"mcp_servers: [{server}]", "utf-8")
    filled("apply", "on.yaml")
    done = filled("doctor", "--json")
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["MCP server wiki"]["verdict"] == "fail"
    assert "'authorization': the environment variable MISSING_AUTH is not set" in found["MCP server wiki"]["text"]


def test_token_revoke_hides_the_token_and_a_second_time_fails(filled: Run) -> None:
    filled("token", "create", "--owner", "team:a/t", "--name", "k")
    assert filled("token", "revoke", "k").stdout == "Revoked the token 'k' of team:a/t.\n"
    assert json.loads(filled("token", "list", "--json").stdout) == []
    assert [row["state"] for row in json.loads(filled("token", "list", "--all", "--json").stdout)] == ["revoked"]
    assert filled("token", "revoke", "k").returncode == 1


def test_token_replaced_within_its_grace_is_listed_and_never_mistaken_for_its_successor(filled: Run) -> None:
    old = filled("token", "create", "--owner", "team:a/t", "--name", "k").stdout.strip()
    done = filled("token", "rotate", "k", "--grace", "1h")
    new = done.stdout.strip()
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [(row["prefix"], row["state"], row["works"]) for row in listed] == [
        (old[:10], "replaced", True), (new[:10], "active", True),
    ]  # fmt: skip
    assert f"`aqueduct token revoke {listed[0]['id']}` ends it at once" in done.stderr
    ambiguous = filled("token", "revoke", "k")
    assert (ambiguous.returncode, ambiguous.stdout) == (1, "")
    assert [f"{row['id']}  team:a/t, {row['state']}" in ambiguous.stderr for row in listed] == [True, True]
    assert filled("token", "revoke", old[:10]).stdout == "Revoked the token 'k' of team:a/t.\n"
    assert [row["prefix"] for row in json.loads(filled("token", "list", "--json").stdout)] == [new[:10]]
    assert filled("token", "rotate", "k").returncode == 0, "a name means the one that can be rotated"


@pytest.mark.parametrize("known", [slice(0, 8), slice(0, 10), slice(None)])
def test_token_that_leaked_is_found_by_what_is_known_of_it(filled: Run, known: slice) -> None:
    leaked = filled("token", "create", "--owner", "team:a/t", "--name", "k").stdout.strip()
    fresh = json.loads(filled("token", "rotate", leaked[known], "--grace", "0", "--json").stdout)
    assert "The old one is refused from now on" in filled("token", "rotate", fresh["id"], "--grace", "0").stderr
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [row["works"] for row in listed] == [True]
    assert fresh["replaces"]["id"] not in {row["id"] for row in listed}
    done = filled("token", "revoke", leaked[known])
    assert (done.returncode, leaked in done.stdout + done.stderr) == (0, False)
    again = filled("token", "revoke", leaked[known])
    assert (again.returncode, again.stdout) == (0, "The token 'k' of team:a/t was revoked before.\n")


def test_token_that_nobody_knows_is_not_repeated(filled: Run) -> None:
    unknown = "aq_0123456789abcdefghijklmnopqrstuvwxyz-ABCDE"
    done = filled("token", "revoke", unknown)
    assert (done.returncode, unknown in done.stderr) == (1, False)
    assert "There is no token 'aq_0123456'." in done.stderr


def test_token_with_ambiguous_name_asks_for_the_id(filled: Run) -> None:
    for owner in ("team:a/t", "user:ada@a.org"):
        filled("token", "create", "--owner", owner, "--name", "k")
    done = filled("token", "revoke", "k")
    assert (done.returncode, "There are 2 tokens 'k'; name one by its id." in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (("--owner", "user:no@a.org", "--name", "k"), 1, "There is no user:no@a.org"),
        (("--owner", "ada", "--name", "k"), 2, "'ada' is no owner"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "2020-01-01"), 2, "is in the past"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "soon"), 2, "is no time"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "999999w"), 2, "is no time"),
        (("--owner", "team:a/t", "--name", ""), 2, "1 to 100 characters"),
        (("--owner", "team:a/t", "--name", "k", "--allow", "m", "--allow", "x"), 1, "There is no model 'x'."),
        (("--owner", "team:a/t", "--name", "k", "--allow", "a*b*"), 1, "There is no model 'a*b*'."),
    ],
)
def test_token_create_refuses_what_cannot_be_meant(
    filled: Run, options: tuple[str, ...], code: int, expected: str
) -> None:
    done = filled("token", "create", *options)
    assert (done.returncode, expected in done.stderr) == (code, True), done.stderr
    assert json.loads(filled("token", "list", "--all", "--json").stdout) == []


def test_token_created_with_models_is_allowed_these_alone(filled: Run, database_url: str) -> None:
    allowed = ("--allow", "m", "--allow", "n", "--allow", "vendor/*")
    assert filled("token", "create", "--owner", "team:a/t", "--name", "k", *allowed).returncode == 0
    rows = fetch(
        database_url, "SELECT m.name, g.model_pattern, g.effect FROM grants g LEFT JOIN models m ON m.id = model_id"
    )
    assert sorted(map(tuple, rows), key=str) == [("m", None, "allow"), (None, "vendor/*", "allow")]


def test_model_list_shows_deployments_in_order_of_priority(filled: Run) -> None:
    assert json.loads(filled("model", "list", "--json").stdout) == [
        {"name": "m", "aliases": ["n"], "operations": [], "enabled": True, "deployments": ["p:m", "p:x"]}
    ]
    assert "p:x" in filled("model", "list").stdout


def test_model_discover_shows_what_is_not_registered_and_its_yaml_can_be_applied(filled: Run, tmp_path: Path) -> None:
    found = json.loads(filled("model", "discover", "p", "--json").stdout)
    assert found
    assert all(one["registered_as"] == [] for one in found)
    (tmp_path / "found.yaml").write_text(filled("model", "discover", "p", "--yaml").stdout, "utf-8")
    assert filled("apply", "found.yaml").returncode == 0
    assert json.loads(filled("model", "discover", "p", "--json").stdout) == []
    assert len(json.loads(filled("model", "discover", "p", "--all", "--json").stdout)) == len(found)
    for provider, reason in (("nobody", "There is no provider 'nobody'"), ("keyed", "MISSING_KEY is not set")):
        done = filled("model", "discover", provider)
        assert (done.returncode, reason in done.stderr) == (1, True)


def test_migrate_of_an_empty_database_then_check(run: Run, empty_database_url: str) -> None:
    assert run("migrate", "--check", database_url=empty_database_url).returncode == 1
    unmigrated = run("export", database_url=empty_database_url)
    assert (unmigrated.returncode, "run `aqueduct migrate`" in unmigrated.stderr) == (1, True)
    assert run("migrate", database_url=empty_database_url).returncode == 0
    assert run("migrate", database_url=empty_database_url).returncode == 0
    assert run("migrate", "--check", database_url=empty_database_url).returncode == 0


def test_unreachable_database_is_one_sentence_without_the_password(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = run("export", database_url=f"postgresql://u:{CANARY}@127.0.0.1:{port}/x")
    assert done.returncode == 1
    assert "The database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr


def test_wrong_setting_is_named_and_its_value_is_not(run: Run) -> None:
    done = run("export", port=CANARY)
    assert done.returncode == 1
    assert "AQUEDUCT_PORT" in done.stderr
    assert CANARY not in done.stderr


def test_doctor_names_each_problem_and_what_to_do(filled: Run) -> None:
    done = filled("doctor", "--json", databse_url="x", secret_key=CANARY)
    assert done.returncode == 1
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert "AQUEDUCT_DATABSE_URL is not a setting; did you mean AQUEDUCT_DATABASE_URL?" in found["settings"]["text"]
    assert found["secret key"]["verdict"] == "fail"
    assert CANARY not in done.stdout + done.stderr
    usual = {one["check"]: one for one in json.loads(filled("doctor", "--online", "--json").stdout)}
    assert {usual[name]["verdict"] for name in ("settings", "schema", "clock", "database", "data folder")} == {"ok"}
    assert usual["provider p"]["verdict"] == usual["online p"]["verdict"] == "ok"
    assert usual["provider keyed"]["verdict"] == usual["online keyed"]["verdict"] == "fail"


def test_apply_names_the_variables_that_the_gateway_will_miss(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aqueduct.yaml").write_text(CONTENT.replace("enabled: false", "enabled: true"), "utf-8")

    done = run("apply", "aqueduct.yaml")

    advice = "is not set here; the gateway's process needs it, from its environment or from .env"
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"! provider keyed: MISSING_KEY {advice}",
        f"! MCP server wiki: MISSING_AUTH {advice}",
    ]
    assert run("apply", "aqueduct.yaml").stderr == ""


def test_doctor_says_why_a_provider_cannot_be_asked_and_what_to_do(filled: Run, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        away = f"providers: [{{name: away, adapter: openai_compatible, base_url: '{url}'}}]"
        (tmp_path / "away.yaml").write_text(away, "utf-8")
        filled("apply", "away.yaml")

        found = {one["check"]: one["text"] for one in json.loads(filled("doctor", "--online", "--json").stdout)}

    assert found["provider away"] == "adapter, URL and key are well formed; --online asks the provider"
    assert found["online away"] == (
        "Provider 'away': The provider could not be reached: Connection refused."
        " Is its base_url right, and may this machine connect to it?"
    )


def test_doctor_names_the_setting_of_a_data_folder_that_cannot_be_made(run: Run) -> None:
    done = run("doctor", "--json", data_dir="/proc/nowhere")

    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert found["data folder"]["verdict"] == "fail"
    assert "AQUEDUCT_DATA_DIR" in found["data folder"]["text"]


def test_doctor_warns_of_budgets_that_count_nothing_and_of_users_in_no_team(filled: Run, tmp_path: Path) -> None:
    def found() -> dict[str, tuple[str, str]]:
        rows = json.loads(filled("doctor", "--json").stdout)
        return {row["check"]: (row["verdict"], row["text"]) for row in rows}

    assert found().keys().isdisjoint({"prices", "org a"})
    content = """
orgs: [{slug: a, users: [{email: ada@a.org}, {email: new@a.org}]}]
limits: [{subject: 'org:a', metric: cost, window: month, amount: 5}]
models: [{name: o, deployments: [{provider: p}]}]
prices:
- {model: m, provider: p, meter: input, amount: '1'}
"""
    (tmp_path / "budget.yaml").write_text(content, "utf-8")
    assert filled("apply", "budget.yaml").returncode == 0
    assert found()["prices"][0] == "warn"
    assert "no budget counts what is used of 'm', 'o'; " in found()["prices"][1], "one deployment of m has no price"
    assert found()["org a"][0] == "warn"
    assert found()["org a"][1].startswith("the limits and grants of no team hold for 'new@a.org': set its")
    content += "- {model: m, meter: input, amount: '1'}\n- {model: o, meter: request, amount: '0', per: 1}\n"
    (tmp_path / "budget.yaml").write_text(content.replace("slug: a", "slug: a, default_team: t"), "utf-8")
    assert filled("apply", "budget.yaml").returncode == 0
    assert found()["prices"] == ("ok", "every model has some, as budgets need")
    assert "org a" not in found()


def test_doctor_without_problems_ends_with_zero(filled: Run, tmp_path: Path) -> None:
    assert filled("doctor").returncode == 1
    (tmp_path / "less.yaml").write_text("providers: [{name: p, adapter: echo}]", "utf-8")
    filled("apply", "less.yaml", "--prune")
    done = filled("doctor", "--online")
    assert (done.returncode, "fail" in done.stdout) == (0, False)


def test_process_pipes_a_token_and_reads_the_file_dotenv(
    environment: dict[str, str], filled: Run, tmp_path: Path
) -> None:
    del filled
    (tmp_path / ".env").write_text(f"AQUEDUCT_DATABASE_URL='{environment['AQUEDUCT_DATABASE_URL']}'\n", "utf-8")
    command = [sys.executable, "-m", "aqueduct", "token"]
    made = subprocess.run(
        [*command, "create", "--owner", "team:a/t", "--name", "k"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert made.stdout.startswith("aq_")
    assert made.stdout.count("\n") == 1
    refused = subprocess.run([*command, "revoke", "x"], capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no token 'x'" in refused.stderr


def test_serve_on_a_taken_port_says_what_to_do(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        for command in ("serve", "demo"):
            done = run(command, port=port)
            assert done.returncode == 1
            assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use" in done.stderr
            assert "AQUEDUCT_PORT" in done.stderr
