"""`aqueduct mcp`: the MCP servers that are registered."""

import click
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.cli.database import with_database
from aqueduct.cli.output import json_option, print_json, print_table
from aqueduct.cli.session import open_session
from aqueduct.config.records import Record
from aqueduct.config.stored import Database, load


class ListedServer(Struct, frozen=True, kw_only=True):
    """What `mcp list --json` prints of a server: of its headers the names alone."""

    name: str
    title: str | None
    description: str | None
    url: str
    headers: tuple[str, ...]
    enabled: bool


@click.group()
def mcp() -> None:
    """List the MCP servers."""


@mcp.command("list")
@json_option
def list_servers(*, as_json: bool) -> None:
    """List the MCP servers with their addresses. Of the headers that they are sent, the names are shown."""
    database = with_database(open_session(), _load)
    records = (record for record in database.stored.records.values() if record.kind == "MCP server")
    servers = tuple(_listed(record) for record in sorted(records, key=lambda record: record.name))
    if as_json:
        print_json(servers)
        return
    rows = [
        (
            one.name if one.enabled else f"{one.name} (disabled)",
            one.title or "",
            one.url,
            ", ".join(one.headers) or "none",
        )
        for one in servers
    ]
    print_table(("MCP server", "title", "url", "headers"), rows)


def _listed(record: Record) -> ListedServer:
    title, description = record.fields["title"], record.fields["description"]
    return ListedServer(
        name=record.name,
        title=title if isinstance(title, str) else None,
        description=description if isinstance(description, str) else None,
        url=str(record.fields["url"]),
        headers=tuple(record.secrets),
        enabled=record.fields["enabled"] is True,
    )


async def _load(engine: AsyncEngine) -> Database:
    async with engine.connect() as connection:
        return await load(connection)
