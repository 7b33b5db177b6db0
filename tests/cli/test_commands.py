"""What the smaller commands print and end with, and what all commands do with wrong words and settings."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

CANARY = "canary-password-0123456789"


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
