"""`aqueduct apply`: a configuration file into the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from msgspec import Struct
from msgspec.structs import replace

from aqueduct.cli.database import with_database
from aqueduct.cli.output import json_option, print_json
from aqueduct.cli.session import explained, open_session
from aqueduct.config.apply import Request
from aqueduct.config.apply import apply as apply_file
from aqueduct.config.document import ENV_PREFIX
from aqueduct.config.plan import Action, Change, FieldChange, Plan
from aqueduct.config.read import read
from aqueduct.config.rules import items

_SIGNS: Final[dict[Action, tuple[str, str]]] = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "delete": ("-", "red"),
}


class ChangeReport(Struct, frozen=True):
    """One change as programs read it."""

    action: Action
    kind: str
    name: str
    fields: tuple[FieldChange, ...]


class Kept(Struct, frozen=True):
    """Something that the file does not name and that `--prune` would delete."""

    kind: str
    name: str


class ApplyReport(Struct, frozen=True):
    """What `apply --json` prints."""

    applied: bool
    changes: tuple[ChangeReport, ...]
    not_in_file: tuple[Kept, ...]
    notes: tuple[str, ...]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--prune",
    is_flag=True,
    help="Delete what the file does not name, in the lists that the file has. Tokens are revoked.",
)
@json_option
def apply(*, file: Path, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Make the database what FILE says: all of it, or nothing.

    Prints what is created (+), changed (~) and deleted (-). Applying a file twice changes nothing the second time. A
    running gateway takes up the result at once. The keys of the file are described in docs/aqueduct-yaml.md.
    """
    session = open_session()
    with explained():
        document, source = read(file)
        request = Request(
            document=document,
            source=source,
            secrets=session.secrets(),
            environment=session.environment,
            prune=prune,
            dry_run=dry_run,
        )
    plan = with_database(session, lambda engine: apply_file(engine, request))
    plan = replace(plan, notes=(*plan.notes, *unset_variables(request, plan)))
    if as_json:
        print_json(report(plan, applied=not dry_run and not plan.is_empty))
    else:
        show(plan, dry_run=dry_run)


def unset_variables(request: Request, plan: Plan) -> Iterator[str]:
    """Say which variables of new and changed providers and MCP servers are not set here, where no gateway may run."""
    document = request.document
    new = {(change.record.kind, change.record.name) for change in plan.changes if change.action != "delete"}
    secrets = [("provider", one.name, one.secret or "") for one in items(document.providers) if one.enabled]
    secrets += [
        ("MCP server", one.name, value)
        for one in items(document.mcp_servers)
        if one.enabled
        for value in one.headers.values()
    ]
    for kind, owner, secret in secrets:
        name = secret.removeprefix(ENV_PREFIX)
        if (kind, owner) in new and secret.startswith(ENV_PREFIX) and not request.environment.get(name):
            needed = "the gateway's process needs it, from its environment or from .env"
            yield f"{kind} {owner}: {name} is not set here; {needed}"


def report(plan: Plan, *, applied: bool) -> ApplyReport:
    """Return a plan as programs read it."""
    return ApplyReport(
        applied=applied,
        changes=tuple(
            ChangeReport(change.action, change.record.kind, change.record.label, change.fields)
            for change in plan.changes
        ),
        not_in_file=tuple(Kept(record.kind, record.label) for record in plan.kept),
        notes=plan.notes,
    )


def show(plan: Plan, *, dry_run: bool) -> None:
    """Print a plan for people."""
    for change in plan.changes:
        sign, colour = _SIGNS[change.action]
        click.secho(f"{sign} {change.record.kind} {change.record.label}{_details(change)}", fg=colour)
    for record in plan.kept:
        click.echo(f"  {record.kind} {record.label}: not in the file; --prune would {_removal(record.kind)} it")
    for note in plan.notes:
        click.echo(f"! {note}", err=True)
    if plan.is_empty:
        click.echo("No changes.")
        return
    counts = {action: sum(change.action == action for change in plan.changes) for action in _SIGNS}
    would = "Would be" if dry_run else "Done:"
    click.echo(f"{would} {counts['create']} created, {counts['change']} changed, {counts['delete']} deleted.")


def _details(change: Change) -> str:
    if change.action == "delete":
        return " (revoked)" if change.record.kind == "token" else ""
    shown = [
        f"{field.name}: {field.after}"
        if change.action == "create"
        else f"{field.name}: {field.before} -> {field.after}"
        for field in change.fields
    ]
    return f" ({'; '.join(shown)})" if shown else ""


def _removal(kind: str) -> str:
    return "revoke" if kind == "token" else "delete"
