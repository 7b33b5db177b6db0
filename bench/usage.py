"""How fast two workers write usage that has waited, while they serve; `python -m bench.usage` prints it.

A request with one attempt is two rows: one in `usage.requests` and one in `usage.attempts`; what it adds to rollups
is not counted. The rows are in journals as workers would have left them that ended while the database was away: 2,000
tokens and 20 models, most of the requests by few of them. A PostgreSQL with its default durability runs beside. Time
and CPU are taken from the moment at which a worker takes the first journal over until the last row is committed; CPU is
that of the gateway and of PostgreSQL, less what serving alone has used in the same time.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Final
from uuid import UUID

import asyncpg
import uvloop
from msgspec import Struct

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.embedded import newest_programs
from aqueduct.db.names import ATTEMPT_COLUMNS
from aqueduct.ids import RequestIds
from aqueduct.usage.journal import OWNER_FILE, Journal
from aqueduct.usage.segments import Cell, Row
from aqueduct.usage.store import COLUMNS, JOURNAL_COLUMNS
from bench.processes import cpu_s, free_port, process

REQUESTS: Final = 200_000
WORKERS: Final = 2
TOKENS: Final = 2_000
MODELS: Final = 20
SERVED_PER_S: Final = 100
ALONE_S: Final = 5.0
WARM: Final = 500
PATIENCE_S: Final = 600.0
COUNT: Final = "SELECT coalesce(sum(requests), 0)::bigint FROM usage_totals WHERE kind = 'org_day'"
TOKEN: Final = "aq_a-token-for-the-benchmark-0123456789"  # noqa: S105 - of a gateway that lives for a minute
CATALOG: Final = """
INSERT INTO orgs (id, slug, name) VALUES (md5('o')::uuid, 'o', 'O');
INSERT INTO users (id, org_id, email) VALUES (md5('u')::uuid, md5('o')::uuid, 'ada@example.org');
INSERT INTO tokens (user_id, name, prefix, sha256)
VALUES (md5('u')::uuid, 't', 'aq_', encode(sha256('{token}'::bytea), 'hex'));
INSERT INTO providers (id, name, adapter) VALUES (md5('p')::uuid, 'echo', 'echo');
INSERT INTO models (id, name) VALUES (md5('m')::uuid, 'echo');
INSERT INTO deployments (model_id, provider_id, upstream_model) VALUES (md5('m')::uuid, md5('p')::uuid, 'echo');
"""


class Found(Struct, frozen=True):
    """The result; CPU in microseconds a request, the wait of served requests in milliseconds."""

    requests_per_s: float
    gateway_us: float
    postgres_us: float
    alone_ms: tuple[float, float]
    during_ms: tuple[float, float]


def rows(count: int) -> Iterator[tuple[str, Row, tuple[Row, ...]]]:
    """Yield requests with one attempt each, their ids first."""
    chance, new_id = random.Random(20), RequestIds()  # noqa: S311 - the same rows each time
    begun = datetime.now(UTC) - timedelta(minutes=5)
    usage = '{"prompt_tokens":1200,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":100}}'
    for number in range(count):
        token, model = int(TOKENS * chance.random() ** 3), int(MODELS * chance.random() ** 2)
        request_id = new_id()
        cells: dict[str, Cell] = {
            "id": request_id,
            "request_id": request_id,
            "number": 1,
            "started_at": begun + timedelta(milliseconds=number / 10),
            "request_started_at": begun + timedelta(milliseconds=number / 10),
            "duration_ms": 900,
            "ttft_ms": 200,
            "endpoint": "/v1/chat/completions",
            "operation": "chat",
            "streamed": number % 2 == 0,
            "status": 200,
            "upstream_status": 200,
            "attempts": 1,
            "org_id": str(UUID(int=token % 20)),
            "team_id": str(UUID(int=token % 300)),
            "user_id": str(UUID(int=token // 2)),
            "token_id": str(UUID(int=token)),
            "model": f"model-{model}",
            "requested_model": f"model-{model}",
            "deployment_id": str(UUID(int=model)),
            "provider": "p",
            "upstream_model": f"upstream-{model}",
            "upstream_id": f"chatcmpl-{number:024}",
            "upstream_request_id": f"req_{number:032}",
            "finish_reason": "stop",
            "native_finish_reason": "stop",
            "usage_source": "provider",
            "prompt_tokens": 1200,
            "completion_tokens": 300,
            "cached_tokens": 100,
            "raw_usage": usage,
            "violations": [],
            "dropped_params": [],
            "cost": Decimal("0.0045"),
        }
        row = tuple(cells.get(name) for name in COLUMNS)
        yield request_id, row, (tuple(cells.get(name) for name in ATTEMPT_COLUMNS),)


async def write_journals(folder: Path, count: int) -> None:
    """Leave a journal per worker, as a process does that ends without a database."""
    made = rows(count)
    for _ in range(WORKERS):
        journal = Journal(folder, JOURNAL_COLUMNS, max_bytes=2**40, now=time.time)
        journal.start()
        for _ in range(count // WORKERS):
            request_id, row, attempts = next(made)
            journal.closed(request_id, row, attempts)
        await journal.aclose()


class Client:
    """Asks the echo model `SERVED_PER_S` times a second and notes how long each answer took."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.waits: list[float] = []
        self.warm = asyncio.Event()

    async def run(self) -> None:
        """Ask until cancelled."""
        body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {TOKEN}\r\n"
        request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        connections = [await asyncio.open_connection("127.0.0.1", self._port) for _ in range(10)]
        await asyncio.gather(*(self._ask(request, *one) for one in connections))

    async def _ask(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"not served: {head[:40]!r}")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.waits.append(time.perf_counter() - begun)
            if len(self.waits) == WARM:
                self.warm.set()
            await asyncio.sleep(max(0.0, 10 / SERVED_PER_S - (time.perf_counter() - begun)))

    def taken(self) -> tuple[float, float]:
        """Return the median and the 99th percentile of the waits since the last call, in milliseconds."""
        waits, self.waits = self.waits, []
        parts = quantiles(waits, n=100)
        return parts[49] * 1e3, parts[98] * 1e3


def locked() -> set[str]:
    """Return the inodes of the files that some process has locked."""
    return {
        line.split()[5].rpartition(":")[2] for line in Path("/proc/locks").read_text().splitlines() if "->" not in line
    }


async def measure(url: str, gateway: int, postgres: int, port: int, journals: tuple[Path, Path]) -> Found:
    """Serve alone for a while, then give the workers the journals of the dead."""
    connection = await asyncpg.connect(url)
    client = Client(port)
    serving = asyncio.create_task(client.run())
    await client.warm.wait()
    client.taken()
    before, begun = (cpu_s(gateway), cpu_s(postgres)), time.perf_counter()
    await asyncio.sleep(ALONE_S)
    alone_s = time.perf_counter() - begun
    alone = [(now - then) / alone_s for now, then in zip((cpu_s(gateway), cpu_s(postgres)), before, strict=True)]
    alone_ms = client.taken()
    start = await connection.fetchval(COUNT)
    left = [folder.rename(journals[1] / folder.name) / OWNER_FILE for folder in list(journals[0].iterdir())]
    inodes = {str(owner.stat().st_ino) for owner in left}

    async def until(condition: Callable[[], Awaitable[bool]]) -> tuple[float, float, float]:
        while not await condition():
            if time.perf_counter() - begun > PATIENCE_S or serving.done():
                raise RuntimeError("the rows do not arrive")
            await asyncio.sleep(0.05)
        return time.perf_counter(), cpu_s(gateway), cpu_s(postgres)

    async def taken_over() -> bool:
        return not inodes.isdisjoint(locked())

    async def written() -> bool:
        return bool(await connection.fetchval(COUNT) >= start + REQUESTS)

    first, last = await until(taken_over), await until(written)
    serving.cancel()
    await connection.close()
    taken_s = last[0] - first[0]
    used = [last[1 + i] - first[1 + i] - alone[i] * taken_s for i in range(2)]
    gateway_us, postgres_us = (seconds / REQUESTS * 1e6 for seconds in used)
    return Found(REQUESTS / taken_s, gateway_us, postgres_us, alone_ms, client.taken())


@contextmanager
def database(folder: Path) -> Iterator[tuple[str, int]]:
    """Run PostgreSQL with its defaults and a catalog; yields its URL and process id."""
    cluster = Cluster(newest_programs(), folder / "postgres")
    cluster.start()
    try:
        asyncio.run(migrate.upgrade(cluster.url))
        asyncio.run(_fill(cluster.url))
        yield cluster.url, int((cluster.data_dir / "postmaster.pid").read_text().split()[0])
    finally:
        cluster.stop()


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(CATALOG.format(token=TOKEN))
    await connection.close()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary:
        folder = Path(temporary)
        ready, used = folder / "ready", folder / "journal"
        used.mkdir()
        uvloop.run(write_journals(ready, REQUESTS))
        with database(folder) as (url, postgres):
            port = free_port()
            settings = {"DATABASE_URL": url, "JOURNAL_DIR": str(used), "WORKERS": str(WORKERS), "PORT": str(port)}
            environment = {f"AQUEDUCT_{name}": value for name, value in settings.items()} | {
                "AQUEDUCT_LOG_LEVEL": "warning"
            }
            command = (sys.executable, "-m", "aqueduct", "serve")
            with process(command, core=None, port=port, log=folder / "gateway.log", environment=environment) as pid:
                found = uvloop.run(measure(url, pid, postgres, port, (ready, used)))
    print(  # noqa: T201
        f"{found.requests_per_s:,.0f} requests/s, an attempt each: {2 * found.requests_per_s:,.0f} rows/s;"
        f" CPU a request: gateway {found.gateway_us:.1f} us, PostgreSQL"
        f" {found.postgres_us:.1f} us; answers (p50, p99) alone {found.alone_ms[0]:.1f}, {found.alone_ms[1]:.1f} ms,"
        f" meanwhile {found.during_ms[0]:.1f}, {found.during_ms[1]:.1f} ms; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
