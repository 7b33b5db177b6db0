"""A whole gateway in this process for tests: real PostgreSQL, real sockets, `aqueduct.yaml` applied as operators do."""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import uvicorn
from litestar import Litestar
from msgspec import structs
from upstreams.dialects.base import UPSTREAM_KEY
from upstreams.dialects.bedrock import SIGNING_ID, SIGNING_SECRET

from aqueduct.api.gateway import Gateway
from aqueduct.app import create_app
from aqueduct.catalog.secrets import SecretBox
from aqueduct.config.apply import Request, apply
from aqueduct.config.read import read
from aqueduct.db.engine import create_engine
from aqueduct.server.hot_protocol import HotHttpProtocol
from aqueduct.settings import Settings

TOKEN = "aq_a-token-for-tests-0123456789abcdefghijk"
OTHER_TOKEN = "aq_another-token-0123456789abcdefghijklmn"
ENVIRONMENT = {
    "TEST_TOKEN": TOKEN,
    "TEST_OTHER_TOKEN": OTHER_TOKEN,
    "TEST_SECRET": UPSTREAM_KEY,
    "TEST_AWS_SECRET": f"{SIGNING_ID}:{SIGNING_SECRET}",
}
START_TIMEOUT_S = 20.0
ORGANISATION = """
orgs:
  - slug: demo
    name: Demo
    teams: [{name: everyone}]
    users: [{email: ada@example.org, name: Ada}]
tokens:
  - {name: test, owner: user:ada@example.org, token: env:TEST_TOKEN}
  - {name: other, owner: team:demo/everyone, token: env:TEST_OTHER_TOKEN}
"""


class RunningGateway:
    """A gateway that serves. `url` ends with `/v1`."""

    def __init__(self, settings: Settings, app: Litestar, server: uvicorn.Server, port: int) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}/v1"
        self.port = port
        self.server = server
        self.app = app
        self.parts: Gateway = app.state.gateway

    def rows(self, count: int, *, timeout_s: float = 10.0) -> list[dict[str, object]]:
        """Return the usage rows in the order of their requests, once there are `count` of them."""
        return asyncio.run(self._rows(count, timeout_s))

    def forget_rows(self) -> None:
        """Empty the usage table, once nothing waits to be written."""
        until = time.monotonic() + START_TIMEOUT_S
        while self.parts.inflight or self.parts.recorder.waiting:
            assert time.monotonic() < until, "requests of an earlier test do not end"
            time.sleep(0.01)
        asyncio.run(self._truncate())

    async def _truncate(self) -> None:
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            await connection.execute(
                "TRUNCATE usage.requests, usage.attempts, usage_hourly, usage_daily, usage_totals, usage_ranked,"
                " usage_ranked_until"
            )
        finally:
            await connection.close()

    async def _rows(self, count: int, timeout_s: float) -> list[dict[str, object]]:
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            until = time.monotonic() + timeout_s
            while True:
                rows = await connection.fetch("SELECT * FROM usage.requests ORDER BY id")
                if len(rows) >= count or time.monotonic() > until:
                    assert len(rows) == count, f"{len(rows)} usage rows instead of {count}"
                    return [dict(row) for row in rows]
                await asyncio.sleep(0.05)
        finally:
            await connection.close()


def apply_yaml(database_url: str, text: str, folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> None:
    """Apply a configuration, as `aqueduct apply` does."""
    path = folder / "aqueduct.yaml"
    path.write_text(text)
    document, source = read(path)
    request = Request(document=document, source=source, secrets=SecretBox(None), environment=environment)

    async def run() -> None:
        engine = create_engine(database_url, pool_size=1)
        try:
            await apply(engine, request)
        finally:
            await engine.dispose()

    asyncio.run(run())


@contextmanager
def running_gateway(settings: Settings) -> Iterator[RunningGateway]:
    """Serve on a free port in a thread until the block ends."""
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="aqueduct-journal-", ignore_cleanup_errors=True) as journal_dir:
        yield from _serve(structs.replace(settings, port=0, journal_dir=settings.journal_dir or journal_dir))


def _serve(settings: Settings) -> Iterator[RunningGateway]:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http=HotHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        assert thread.is_alive(), "the gateway did not start; see its log"
        assert time.monotonic() < until, "the gateway did not start in time"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield RunningGateway(settings, app, server, port)
    finally:
        server.should_exit = True
        thread.join(timeout=START_TIMEOUT_S)
        assert not thread.is_alive(), "the gateway did not stop"
