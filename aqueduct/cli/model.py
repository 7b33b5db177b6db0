"""`aqueduct model`: the models that clients may ask for, and those that a provider would have."""

import asyncio
from collections.abc import Mapping
from typing import Final

import click
import yaml
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli.database import with_database
from aqueduct.cli.output import json_option, print_json, print_table
from aqueduct.cli.probe import Account, ProbeError, accounts, discover
from aqueduct.cli.session import Session, open_session
from aqueduct.config.records import Record, texts
from aqueduct.config.stored import Database, load

_TIMEOUT_S: Final = 30.0


class ListedModel(Struct, frozen=True, kw_only=True):
    """What `model list --json` prints of a model; a deployment is `provider:upstream model`."""

    name: str
    aliases: tuple[str, ...]
    operations: tuple[str, ...]
    enabled: bool
    deployments: tuple[str, ...]


class OfferedModel(Struct, frozen=True, kw_only=True):
    """A model that a provider offers. `registered_as` names the models here that use it; empty: none does."""

    provider: str
    upstream_model: str
    registered_as: tuple[str, ...]


@click.group()
def model() -> None:
    """List models, and discover what providers offer."""


@model.command("list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List the models with their deployments, in the order in which these are tried."""
    database = with_database(open_session(), _load)
    models = tuple(_listed(record, database) for record in _of_kind(database, "model"))
    if as_json:
        print_json(models)
        return
    rows = [
        (
            one.name if one.enabled else f"{one.name} (disabled)",
            ", ".join(one.aliases),
            ", ".join(one.operations) or "all",
            "\n".join(one.deployments) or "none",
        )
        for one in models
    ]
    print_table(("model", "aliases", "operations", "deployments"), rows)


@model.command("discover")
@click.argument("provider")
@click.option("--all", "with_registered", is_flag=True, help="Also models that are registered already.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a `models:` section for aqueduct.yaml.")
@json_option
def discover_models(*, provider: str, with_registered: bool, as_yaml: bool, as_json: bool) -> None:
    """Ask PROVIDER for its models and show those that are not registered here.

    PROVIDER is a name from `providers` in aqueduct.yaml. A model that only a wildcard covers, such as `vendor/*`,
    counts as registered.
    """
    session = open_session()
    database = with_database(session, _load)
    account = _account(session, database, provider)
    try:
        offered = asyncio.run(discover(account, timeout_s=_TIMEOUT_S))
    except ProbeError as error:
        raise click.ClickException(str(error)) from error
    used = _uses(database, provider)
    found = tuple(
        OfferedModel(provider=provider, upstream_model=name, registered_as=used_by)
        for name in offered
        if not (used_by := used.names(name)) or with_registered
    )
    if as_json:
        print_json(found)
    elif as_yaml:
        click.echo(_snippet(found), nl=False)
    else:
        print_table(("provider", "upstream model", "registered as"), [_cells(one) for one in found])
        click.echo(f"{provider} offers {len(offered)} models; {len(found)} shown.", err=True)


class _Uses:
    """Which of a provider's models are used here, by name or through a wildcard."""

    def __init__(self, exact: Mapping[str, tuple[str, ...]], prefixes: Mapping[str, str]) -> None:
        self._exact = exact
        self._prefixes = prefixes

    def names(self, upstream_model: str) -> tuple[str, ...]:
        wildcards = (name for pattern, name in self._prefixes.items() if _matches(pattern, upstream_model))
        return (*self._exact.get(upstream_model, ()), *wildcards)


def _uses(database: Database, provider: str) -> _Uses:
    exact: dict[str, tuple[str, ...]] = {}
    wildcards: dict[str, str] = {}
    for record in _of_kind(database, "deployment"):
        (_, model_name), (_, provider_name) = record.parents
        upstream = str(record.fields["upstream_model"])
        if provider_name == provider and "*" in upstream:
            wildcards[upstream] = model_name
        elif provider_name == provider:
            exact[upstream] = (*exact.get(upstream, ()), model_name)
    return _Uses(exact, wildcards)


def _matches(pattern: str, name: str) -> bool:
    before, _, after = pattern.partition("*")
    return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)


def _account(session: Session, database: Database, provider: str) -> Account:
    found = accounts(database, session)
    if provider not in found:
        known = ", ".join(sorted(found)) or "none; add one with `aqueduct apply`"
        raise click.ClickException(f"There is no provider '{provider}'. Providers here: {known}.")
    return found[provider]


def _snippet(found: tuple[OfferedModel, ...]) -> str:
    models = [
        {
            "name": one.upstream_model,
            "deployments": [{"provider": one.provider}],
        }
        for one in found
    ]
    return yaml.safe_dump({"models": models}, sort_keys=False, allow_unicode=True, width=120)


def _cells(one: OfferedModel) -> tuple[str, str, str]:
    return one.provider, one.upstream_model, ", ".join(one.registered_as)


def _listed(record: Record, database: Database) -> ListedModel:
    deployments = [one for one in _of_kind(database, "deployment") if record.key in one.parents]
    deployments.sort(key=_place)
    return ListedModel(
        name=record.name,
        aliases=texts(record.fields["aliases"]),
        operations=texts(record.fields["operations"]),
        enabled=record.fields["enabled"] is True,
        deployments=tuple(_deployment(one) for one in deployments),
    )


def _place(deployment: Record) -> tuple[int, str]:
    priority = deployment.fields["priority"]
    return (priority if isinstance(priority, int) else 0), deployment.name


def _deployment(record: Record) -> str:
    text = f"{record.parents[1][1]}:{record.fields['upstream_model']}"
    return text if record.fields["enabled"] else f"{text} (disabled)"


def _of_kind(database: Database, kind: str) -> list[Record]:
    found = (record for record in database.stored.records.values() if record.kind == kind)
    return sorted(found, key=lambda record: record.name)


async def _load(engine: AsyncEngine) -> Database:
    async with engine.connect() as connection:
        return await load(connection)
