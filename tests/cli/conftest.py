"""The command line in a folder of its own, on a database of its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from aqueduct.cli.program import program

CONTENT = """
orgs: [{slug: a, teams: [{name: t}], users: [{email: ada@a.org}], service_accounts: [{name: job, team: t}]}]
memberships: [{team: a/t, user: ada@a.org}]
providers: [{name: p, adapter: echo}, {name: keyed, adapter: echo, secret: 'env:MISSING_KEY'}]
mcp_servers:
- {name: wiki, title: Wiki, url: 'https://wiki.example.org/mcp?x=y', enabled: false,
   headers: {Authorization: 'env:MISSING_AUTH'}}
models:
- {name: m, aliases: [n], deployments: [{provider: p, upstream_model: x, priority: 1}, {provider: p}]}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("AQUEDUCT_"):
            monkeypatch.delenv(name)
    return {"AQUEDUCT_DATABASE_URL": database_url}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run `aqueduct ARGUMENTS` within this process, which is faster; settings are given by name."""

    def run(*arguments: str, **settings: str) -> Done:
        given = {f"AQUEDUCT_{name.upper()}": value for name, value in settings.items()}
        result = CliRunner().invoke(program, arguments, prog_name="aqueduct", env={**environment, **given})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def filled(run: Run, tmp_path: Path) -> Run:
    """The same, with `CONTENT` applied from `aqueduct.yaml`."""
    (tmp_path / "aqueduct.yaml").write_text(CONTENT, "utf-8")
    done = run("apply", "aqueduct.yaml")
    assert done.returncode == 0, done.stderr
    return run
