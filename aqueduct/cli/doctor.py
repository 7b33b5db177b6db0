"""`aqueduct doctor`: what is wrong with this installation, and what to do about it."""

import asyncio
from typing import Final

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli import checks, gaps
from aqueduct.cli.checks import Finding, Verdict
from aqueduct.cli.database import with_database
from aqueduct.cli.output import json_option, print_json
from aqueduct.cli.probe import accounts
from aqueduct.cli.session import Session, open_session
from aqueduct.config.stored import Database, load

_COLOURS: Final[dict[Verdict, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--online", is_flag=True, help="Also ask every provider for its models.")
@json_option
def doctor(*, online: bool, as_json: bool) -> None:
    """Check settings, database, providers, MCP servers and adapters, and say what to do.

    Each line is ok, warn or fail. Exit code 1 if anything fails; a warning alone does not.
    """
    findings = examine(open_session(), online=online)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            verdict = click.style(f"{finding.verdict:4}", fg=_COLOURS[finding.verdict])
            click.echo(f"{verdict}  {finding.check}: {finding.text}")
    if any(finding.verdict == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


def examine(session: Session, *, online: bool) -> list[Finding]:
    """Run all checks; what depends on a failed one is left out."""
    findings = [*checks.settings(session), *checks.data_folder(session), *checks.adapters()]
    if any(finding.check == "secret key" and finding.verdict == "fail" for finding in findings):
        return findings
    try:
        server, database = with_database(session, _look)
    except click.ClickException as error:
        return [*findings, Finding("database", "fail", error.message)]
    findings += [*server, Finding("schema", "ok", "is this release's"), *checks.models(database)]
    findings += [*gaps.prices(database), *gaps.teams(database), *gaps.grants(database)]
    found = accounts(database, session)
    for name in sorted(found):
        findings.extend(checks.provider(found[name]))
    findings.extend(checks.mcp_servers(database, session))
    if online:
        findings += asyncio.run(checks.online(found))
    return findings


async def _look(engine: AsyncEngine) -> tuple[list[Finding], Database]:
    server = await checks.database(engine)
    async with engine.connect() as connection:
        return server, await load(connection)
