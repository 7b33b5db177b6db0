"""The page about the command line is what `--help` says, and every command has help."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aqueduct.cli.program import COMMANDS, program
from aqueduct.settings import describe
from tests.golden import Golden

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "cli.md"
BLOCK = re.compile(r"(<!-- commands -->\n).*(<!-- end -->)", re.DOTALL)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and subcommand, in the order of the help."""
    for name in COMMANDS:
        yield (name,)
        command = program.get_command(click.Context(program), name)
        if isinstance(command, click.Group):
            yield from ((name, child) for child in command.commands)


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(program, [*path, "--help"], prog_name="aqueduct", terminal_width=100)
    assert result.exit_code == 0
    return result.output.partition("\nSettings (environment")[0].strip()  # docs/settings.md holds that list


def test_page_shows_the_help_of_every_command(golden: Golden) -> None:
    page = (DOCS / PAGE).read_text("utf-8")
    sections = [
        f"{'#' * (len(path) + 1)} aqueduct {' '.join(path)}\n\n```text\n{help_of(path)}\n```\n" for path in commands()
    ]
    body = "\n".join(sections)
    fresh = BLOCK.sub(lambda block: f"{block[1]}\n{body}\n{block[2]}", page)
    Golden(DOCS, write=golden.write).check(PAGE, fresh)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_command_and_each_option_has_help(path: tuple[str, ...]) -> None:
    command: click.Command | None = program
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def test_serve_help_lists_every_setting() -> None:
    result = CliRunner().invoke(program, ["serve", "--help"])
    assert [one.variable for one in describe() if one.variable not in result.output] == []
