"""The command line's root: finds a command's module when it is asked for; knows no command's work."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Final

import click
from typing_extensions import override

from aqueduct.cli.allocator import exec_with_returning_allocator

COMMANDS: Final = {
    "serve": "aqueduct.cli.serve:serve",
    "demo": "aqueduct.cli.demo:demo",
    "migrate": "aqueduct.cli.migrate:migrate",
    "apply": "aqueduct.cli.apply:apply",
    "export": "aqueduct.cli.export:export",
    "token": "aqueduct.cli.token:token",
    "model": "aqueduct.cli.model:model",
    "mcp": "aqueduct.cli.mcp:mcp",
    "limits": "aqueduct.cli.limits:limits",
    "usage": "aqueduct.cli.usage:usage",
    "prices": "aqueduct.cli.prices:prices",
    "doctor": "aqueduct.cli.doctor:doctor",
}
"""Commands in the order of `--help`, with where they are: only the one that runs is imported."""
SERVING: Final = (["serve"], ["demo"])
HELP: Final = frozenset({"-h", "--help"})


class Program(click.Group):
    """A group that imports its commands lazily and lists them in the order of `COMMANDS`."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = COMMANDS.get(cmd_name)
        if path is None:
            return None
        module, _, name = path.partition(":")
        command: object = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(path)
        return command


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("aqueduct-gateway"), prog_name="aqueduct")
def program() -> None:
    """Run and administer an Aqueduct AI gateway.

    Settings are environment variables AQUEDUCT_* (`aqueduct serve --help` lists them), also read from a file .env in
    the current folder. Without AQUEDUCT_DATABASE_URL a PostgreSQL runs in the data folder, .aqueduct.

    Exit codes: 0 done; 1 refused or failed, the reason is on standard error; 2 wrong usage.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:2] in SERVING and not HELP.intersection(sys.argv):
        exec_with_returning_allocator()
    program.main(prog_name="aqueduct")
