"""From the rows of MCP servers to those that can be reached; a row that cannot be used is reported.

As with models, the last good version of a bad row stays in force. Only addresses of HTTP are known: a row never names
a program.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from uuid import UUID

from msgspec import Struct

from adapters.base import Secret
from aqueduct.catalog.row_checks import Sources, check_headers, checked, http_url, keep, strings
from aqueduct.catalog.rows import McpServerRow
from aqueduct.catalog.snapshot import McpServer, Problem


class McpServers(Struct, frozen=True, kw_only=True):
    """The servers in service by name. `good` is what the next load falls back on."""

    by_name: dict[str, McpServer]
    good: dict[UUID, McpServer]
    problems: list[Problem]


def build_mcp_servers(
    rows: Iterable[McpServerRow], sources: Sources, last_good: Mapping[UUID, McpServer]
) -> McpServers:
    """Return the enabled servers and a problem for each row that cannot be used."""
    problems: list[Problem] = []
    good: dict[UUID, McpServer] = {}
    by_name: dict[str, McpServer] = {}
    for row in rows:
        server = checked(partial(_server, row, sources), last_good.get(row.id), ("mcp_servers", row.name), problems)
        keep(good, row.id, server)
        if row.enabled and server is not None:
            by_name[server.name] = server
    return McpServers(by_name=by_name, good=good, problems=problems)


def _server(row: McpServerRow, sources: Sources) -> McpServer:
    http_url(row.url, "url")
    headers: dict[str, Secret] = {}
    for name, stored in strings(row.headers, "headers").items():
        secret = sources.secrets.resolve(stored, row.id, sources.environment)
        if secret is not None:
            headers[name] = secret
    check_headers({name: secret.value for name, secret in headers.items()})
    return McpServer(
        id=row.id,
        name=row.name,
        title=row.title or row.name,
        description=row.description or "",
        url=row.url,
        headers=headers,
    )
