"""One request on a connection of its own, to an address that the caller has chosen: nothing is resolved here.

For addresses that clients name. The certificate is checked against the URL's host all the same.
"""

import asyncio
import ssl
from typing import Final

from adapters.http1.connection import Connection
from adapters.http1.request import Origin


class _NoPool:
    """Keeps no connection, and leaves bounds on time to the caller."""

    def watch(self, connection: Connection) -> None:
        """Do nothing."""

    def put_idle(self, connection: Connection) -> None:
        """Close a connection that has served its one request."""
        connection.close()

    def forget(self, connection: Connection) -> None:
        """Do nothing."""


_NO_POOL: Final = _NoPool()


async def connect_pinned(address: str, origin: Origin, tls: ssl.SSLContext) -> Connection:
    """Return a connection to `address` for requests to `origin`; raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(_NO_POOL, origin),
        address,
        origin.port,
        ssl=tls if origin.tls else None,
        server_hostname=origin.host if origin.tls else None,
    )
    return connection
