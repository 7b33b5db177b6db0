"""Wrong input to every command: exit code 2 for wrong usage, 1 for what is refused, and words that name it."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from aqueduct.cli.program import COMMANDS, program
from tests.cli.conftest import Run


def leaves() -> Iterator[tuple[str, ...]]:
    """Every command that does something."""
    for name in COMMANDS:
        command = program.get_command(click.Context(program), name)
        if isinstance(command, click.Group):
            yield from ((name, child) for child in command.commands)
        else:
            yield (name,)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command | None = program
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    return command


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(program, arguments, prog_name="aqueduct", env={"AQUEDUCT_DATABASE_URL": "postgresql://x"})


LEAVES = list(leaves())
ALL = pytest.mark.parametrize("path", LEAVES, ids=" ".join)


@ALL
def test_option_that_does_not_exist_is_wrong_usage(path: tuple[str, ...]) -> None:
    done = invoked(*path, "--nonsense")

    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Usage: aqueduct {' '.join(path)} " in done.stderr
    assert "No such option '--nonsense'" in done.stderr


@ALL
def test_arguments_that_nobody_asked_for_are_wrong_usage(path: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    wanted = [one for one in command_of(path).params if isinstance(one, click.Argument)]

    done = invoked(*path, *[str(tmp_path / "file")] * len(wanted), "one-more")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "one-more" in done.stderr or "Missing option" in done.stderr


NEEDY = [path for path in LEAVES if any(one.required for one in command_of(path).params)]


@pytest.mark.parametrize("path", NEEDY, ids=" ".join)
def test_what_is_missing_is_named(path: tuple[str, ...]) -> None:
    required = [one for one in command_of(path).params if one.required]

    done = invoked(*path)

    assert (done.exit_code, done.stdout) == (2, "")
    assert any(str(one.human_readable_name) in done.stderr or one.opts[0] in done.stderr for one in required)


@pytest.mark.parametrize(
    "arguments", [("apply",), ("apply", "--dry-run"), ("prices", "import"), ("export", "--output")], ids=" ".join
)
@pytest.mark.parametrize("file", ["nowhere/file", "folder"])
def test_file_that_cannot_be_opened_is_wrong_usage(
    filled: Run, arguments: tuple[str, ...], file: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()

    done = filled(*arguments, file)

    assert (done.returncode, done.stdout) == (2, "")
    assert file in done.stderr


@pytest.mark.parametrize("name", ["token", "model", "usage", "prices", "nonsense"])
def test_group_without_a_command_is_wrong_usage(name: str) -> None:
    done = invoked(name)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: aqueduct" in done.stderr


LISTINGS = (
    ("token", "list", "--json"),
    ("model", "list", "--json"),
    ("prices", "list", "--json"),
    ("usage", "report", "--format", "json"),
    ("model", "discover", "p", "--json"),
    ("doctor", "--json"),
)


def test_listings_for_scripts_are_json_and_nothing_else(filled: Run) -> None:
    for arguments in LISTINGS:
        assert isinstance(json.loads(filled(*arguments).stdout), list), arguments


WRONG_FILES = {
    "no YAML": ("models: [", "2: no valid YAML"),
    "unknown section": ("modelz: []", "1: modelz: unknown key 'modelz'; did you mean 'models'?"),
    "key twice": ("orgs:\n- slug: a\n  slug: b", "3: the key 'slug' stands here twice"),
    "tag": ("orgs: !!python/object/apply:os.system [x]", "1: YAML tags"),
    "second document": ("orgs: []\n---\norgs: []", "2: a second YAML document"),
    "empty": ("", "1: the file is empty"),
    "no mapping": ("- a", "1: the file must hold keys"),
    "too deep": ("orgs: " + "[" * 5000 + "]" * 5000, "1: nested deeper"),
    "not UTF-8": ("orgs:\n- slug: \udcff", "2: the file is not UTF-8"),
    "wrong type": ("orgs:\n- slug: a\n  default_team: 5", "3: orgs[0].default_team: must be a text"),
    "slug": ("orgs:\n- slug: A b", "2: orgs[0].slug: 'A b' is not allowed"),
    "duplicate": ("orgs:\n- slug: b\n- slug: b", "3: orgs[1].slug: duplicate org"),
    "adapter": ("providers:\n- name: q\n  adapter: none", "3: providers[0].adapter: there is no adapter 'none'"),
    "URL": (
        "providers:\n- name: q\n  adapter: openai\n  base_url: ftp://x",
        "4: providers[0].base_url: must be a URL that begins with",
    ),
    "provider": (
        "models:\n- name: k\n  deployments:\n  - provider: none",
        "4: models[0].deployments[0].provider: there is no provider 'none'",
    ),
    "window": (
        "limits:\n- subject: org:a\n  metric: requests\n  window: fortnight\n  amount: 1",
        "4: limits[0].window: 'fortnight' is not one of second, minute, hour",
    ),
    "amount": ("limits:\n- {subject: 'org:a', metric: requests, window: day, amount: -1}", "2: limits[0].amount"),
    "subject": (
        "limits:\n- {subject: 'org:none', metric: requests, window: day, amount: 1}",
        "2: limits[0].subject: there is no org 'none'",
    ),
    "grant": ("grants:\n- subject: org:a\n  allow: [none]", "3: grants[0].allow[0]: there is no model 'none'"),
    "meter": ("prices:\n- {model: m, meter: none, amount: '1'}", "2: prices[0].meter: 'none' is not one of"),
    "variable": (
        "tokens:\n- {name: k, owner: 'user:ada@a.org', token: 'env:NO_SUCH_VARIABLE'}",
        "2: tokens[0].token: the environment variable NO_SUCH_VARIABLE is not set",
    ),
    "token": ("tokens:\n- {name: k, owner: 'user:ada@a.org', token: aq_secret}", "2: tokens[0].token: must be"),
}


def test_wrong_file_is_told_with_line_and_key_and_changes_nothing(filled: Run, tmp_path: Path) -> None:
    before = filled("export").stdout
    for name, (text, told) in WRONG_FILES.items():
        (tmp_path / "wrong.yaml").write_text(text, "utf-8", "surrogateescape")

        done = filled("apply", "wrong.yaml")

        assert (done.returncode, done.stdout) == (1, ""), name
        assert done.stderr.startswith(f"wrong.yaml:{told}"), name
        assert done.stderr.endswith("Nothing was applied.\n"), name
        assert "aq_secret" not in done.stderr
    assert filled("export").stdout == before
