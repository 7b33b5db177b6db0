"""From the database to a snapshot; keeps the last good version of each row, and knows not when it is called."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from aqueduct.catalog.build_mcp_servers import build_mcp_servers
from aqueduct.catalog.build_models import LastGood, build_models
from aqueduct.catalog.build_prices import build_prices
from aqueduct.catalog.build_principals import TokenOwners
from aqueduct.catalog.row_checks import Sources
from aqueduct.catalog.rows import NOTHING_KNOWN, Rows, read_rows
from aqueduct.catalog.snapshot import Contents, McpServer, Snapshot
from aqueduct.db.connections import DedicatedConnection


class Loader:
    """Loads snapshots, one at a time."""

    def __init__(self, sources: Sources, clock: Callable[[], float], zone_name: str = "UTC") -> None:
        """`clock` returns Unix seconds; `zone_name` is the time zone of calendar windows."""
        self._zone_name = zone_name
        self._sources = sources
        self._clock = clock
        self._last_good = LastGood()
        self._last_good_servers: dict[UUID, McpServer] = {}
        self._known = NOTHING_KNOWN

    async def load(self, connection: DedicatedConnection) -> Snapshot:
        """Return the catalog as one transaction sees it. Building takes place in a thread, so that nothing stalls."""
        rows = await read_rows(connection, self._known)
        return await asyncio.to_thread(self._build, rows, self._clock())

    def _build(self, rows: Rows, now: float) -> Snapshot:
        models = build_models(rows, self._sources, self._last_good)
        owners = TokenOwners(rows, models.aliases, now, self._zone_name)
        prices, price_problems = build_prices(rows.prices, rows.deployments)
        servers = build_mcp_servers(rows.mcp_servers, self._sources, self._last_good_servers)
        self._last_good, self._last_good_servers, self._known = models.good, servers.good, owners.known
        contents = Contents(
            owners=owners,
            models=models.by_name,
            wildcards=models.wildcards,
            blocked_names=models.blocked_names,
            blocked_prefixes=models.blocked_prefixes,
            prices=prices,
            mcp_servers=servers.by_name,
        )
        problems = (*models.problems, *servers.problems, *owners.problems, *price_problems)
        return Snapshot(rows.version, now, contents, problems)
