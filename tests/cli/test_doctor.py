"""`aqueduct doctor` names each problem and what to do."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Run

CANARY = "canary-password-0123456789"


def test_doctor_names_the_header_of_a_server_that_cannot_be_had(filled: Run, tmp_path: Path) -> None:
    server = "{name: wiki, url: 'https://wiki.example.org/mcp', headers: {authorization: 'env:MISSING_AUTH'}}"
    (tmp_path / "on.yaml").write_text(f"mcp_servers: [{server}]", "utf-8")
    filled("apply", "on.yaml")
    done = filled("doctor", "--json")
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["MCP server wiki"]["verdict"] == "fail"
    assert "'authorization': the environment variable MISSING_AUTH is not set" in found["MCP server wiki"]["text"]


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


@pytest.mark.parametrize(
    ("wider", "lost"),
    [
        ("'x'", "'free', 'open/*', 'open/q'"),
        ("'open/q', free", None),
        ("'open/*'", "'free'"),
        ("'op*'", "'free'"),
        ("'open/q/*', free, 'open/q'", None),
        ("'*'", None),
    ],
)
def test_doctor_warns_of_what_is_allowed_below_and_not_above(
    filled: Run, tmp_path: Path, wider: str, lost: str | None
) -> None:
    content = f"""
models: [{{name: x}}, {{name: free}}, {{name: 'open/*'}}]
grants:
- {{subject: 'org:a', allow: [{wider}]}}
- {{subject: 'team:a/t', allow: ['open/*', open/q, free]}}
- {{subject: 'user:ada@a.org', deny: [free]}}
"""
    (tmp_path / "grants.yaml").write_text(content, "utf-8")
    done = filled("apply", "grants.yaml")
    assert done.returncode == 0, done.stderr

    found = {row["check"]: row for row in json.loads(filled("doctor", "--json").stdout)}

    if lost is None:
        assert "grants of team a/t" not in found
    else:
        text = f"of what it is allowed, the org a does not allow {lost}: allow it there too"
        assert found["grants of team a/t"] == {"check": "grants of team a/t", "verdict": "warn", "text": text}


def test_doctor_without_problems_ends_with_zero(filled: Run, tmp_path: Path) -> None:
    assert filled("doctor").returncode == 1
    (tmp_path / "less.yaml").write_text("providers: [{name: p, adapter: echo}]", "utf-8")
    filled("apply", "less.yaml", "--prune")
    done = filled("doctor", "--online")
    assert (done.returncode, "fail" in done.stdout) == (0, False)
