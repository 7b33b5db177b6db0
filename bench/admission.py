"""What limits cost a request: one gateway, one caller under five limits and one under none, in turns.

It asks for nothing that a client would not: no bound on the output, prices on the model, 16 connections.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from aqueduct.catalog.secrets import SecretBox
from aqueduct.config.apply import Request, apply
from aqueduct.config.read import read_text
from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.connections import connect
from aqueduct.db.embedded import newest_programs
from aqueduct.db.engine import create_engine
from bench import load
from bench.gateways import GATEWAY_CORE, OTHER_CORE
from bench.load import Target
from bench.processes import cpu_s, free_port, process

ROUNDS: Final = 8
SECONDS: Final = 2.0
KEYS: Final = {"FREE": "aq_free-0123456789abcdefghijklmnop", "BOUND": "aq_bound-0123456789abcdefghijklmno", "KEY": "k"}
CONFIG: Final = """
orgs:
- {{slug: free, teams: [{{name: t}}], users: [{{email: free@example.org}}]}}
- {{slug: bound, default_team: t, teams: [{{name: t}}], users: [{{email: bound@example.org}}]}}
tokens:
- {{name: free, owner: 'user:free@example.org', token: 'env:FREE'}}
- {{name: bound, owner: 'user:bound@example.org', token: 'env:BOUND'}}
providers: [{{name: p, adapter: openai_compatible, base_url: 'http://127.0.0.1:{port}/v1', secret: 'env:KEY'}}]
models: [{{name: gpt, deployments: [{{provider: p}}]}}]
limits:
- {{subject: 'org:bound', metric: total_tokens, window: day, amount: 900000000000}}
- {{subject: 'org:bound', model: gpt, metric: requests, window: minute, amount: 900000000}}
- {{subject: 'team:bound/t', metric: output_tokens, window: minute, amount: 900000000}}
- {{subject: 'user:bound@example.org', metric: cost, window: month, amount: 900000000}}
- {{subject: 'token:bound', metric: requests, window: minute, amount: 900000000}}
"""
PRICES: Final = """
INSERT INTO prices (model_id, meter, amount, per, valid_from)
SELECT id, meter, amount, 1000000, '2020-01-01' FROM models, (VALUES ('input', 1), ('output', 2)) AS p (meter, amount)
"""


async def prepare(url: str, port: int) -> None:
    """Set up the callers, the limits and the prices."""
    await migrate.upgrade(url)
    document, source = read_text("the benchmark's configuration", CONFIG.format(port=port).encode())
    engine = create_engine(url, pool_size=1)
    try:
        await apply(engine, Request(document=document, source=source, secrets=SecretBox(None), environment=KEYS))
    finally:
        await engine.dispose()
    connection = await connect(url, application_name="bench")
    await connection.execute(PRICES)
    await connection.close()


def measured(pid: int, target: Target) -> float:
    """Return the CPU microseconds of a request."""
    before = cpu_s(pid)
    count = uvloop.run(load.run(target, "plain", connections=16, seconds=SECONDS))
    return (cpu_s(pid) - before) / count * 1e6


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary:
        folder = Path(temporary)
        upstream_port, port = free_port(), free_port()
        cluster = Cluster(newest_programs(), folder / "postgres")
        cluster.start()
        try:
            asyncio.run(prepare(cluster.url, upstream_port))
            settings = {**KEYS, "AQUEDUCT_PORT": str(port), "AQUEDUCT_DATABASE_URL": cluster.url}
            upstream = (sys.executable, "-m", "bench.upstream", str(upstream_port))
            gateway = (sys.executable, "-m", "aqueduct", "serve")
            with (
                process(upstream, core=OTHER_CORE, port=upstream_port, log=folder / "upstream.log"),
                process(gateway, core=GATEWAY_CORE, port=port, log=folder / "log", environment=settings) as pid,
            ):
                report(pid, port)
        finally:
            cluster.stop()


def report(pid: int, port: int) -> None:
    """Measure both callers in turns and print the medians."""
    targets = {
        name: Target(port=port, headers=(("authorization", f"Bearer {KEYS[name]}"),)) for name in ("FREE", "BOUND")
    }
    for target in targets.values():
        measured(pid, target)
    costs: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, target in targets.items():
            costs[name].append(measured(pid, target))
    free, bound = (statistics.median(costs[name]) for name in ("FREE", "BOUND"))
    pairs = [after - before for before, after in zip(costs["FREE"], costs["BOUND"], strict=True)]
    print(f"without limits {free:.0f} us, under five {bound:.0f} us a request")  # noqa: T201
    print(  # noqa: T201
        f"difference {statistics.median(pairs):.0f} us ({min(pairs):.0f} to {max(pairs):.0f}), {bound / free:.2f} times"
    )


if __name__ == "__main__":
    main()
