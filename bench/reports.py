"""How long reports take on a large installation: `python -m bench.reports` makes one, measures, and deletes it.

It takes the better part of an hour and 30 GB. `BENCH_EVENTS` sets the number of raw rows. `python -m bench.reports
FOLDER` makes it in that folder and keeps it; what is kept there is measured the next time, once it has the newest
revision. `BENCH_ONLY` names the reports to measure by a part of their name.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from aqueduct.cli.usage import SHOWN_ROWS
from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.embedded import newest_programs
from aqueduct.usage.fold import fold_day
from aqueduct.usage.ranking import read_report
from aqueduct.usage.reports import Dimension, ReportQuery
from aqueduct.usage.store import LOCK_ROLLUPS
from bench.history import Size, fill, fold
from bench.processes import cpu_s

RUNS: Final = 20
OPTIONS: Final = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_wal_size=1GB",
    "maintenance_work_mem=512MB",
    "shared_buffers=1GB",
)
"""For making the rows; reading them is affected by the buffers alone."""
MAKING: Final = ("work_mem = '256MB'", "jit = off")


class Asked(Struct, frozen=True):
    """A report and what it is called."""

    name: str
    query: ReportQuery


EVERYBODY: Final[tuple[tuple[Dimension, ...], ...]] = (
    ("org",), ("team",), ("user",), ("service_account",), ("token",), ("model",), ("provider",), ("day",),
    ("cost_center",), ("org", "model"), ("team", "model"), ("user", "model"), ("cost_center", "model"),
    ("day", "org"), ("day", "model"), ("day", "provider"), ("day", "cost_center"), ("org", "provider"),
    ("model", "provider"), ("team", "cost_center"), ("team", "cost_center", "model"), ("org", "team"), ("org", "user"),
    ("org", "cost_center"), ("provider", "cost_center"), ("service_account", "model"),
)  # fmt: skip
"""What the most expensive rows are found of, or what has few rows."""
READ_WHOLE: Final[tuple[tuple[Dimension, ...], ...]] = (
    ("day", "team"), ("day", "user"), ("token", "model"), ("org", "user", "model"),
)  # fmt: skip
"""What is added up as a whole for everybody: the time is that of its rows."""
OF_AN_ORG: Final[tuple[tuple[Dimension, ...], ...]] = (
    ("team",), ("user",), ("model",), ("day",), ("cost_center",), ("token",), ("team", "model"), ("user", "model"),
    ("cost_center", "model"), ("day", "user"), ("team", "user", "model"),
)  # fmt: skip
TABLE_ROWS: Final = SHOWN_ROWS + 1


def asked(today: date, ids: dict[str, UUID]) -> Iterator[Asked]:
    """Yield the reports: of everybody, of an org, and of a caller, for a month and for all months."""
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    ranges = {
        "last month": (month, today.replace(day=1) - timedelta(days=1)),
        "this month": (today.replace(day=1), today),
        "30 days": (today - timedelta(days=30), today - timedelta(days=1)),
        "half of two months": (month - timedelta(days=15), month + timedelta(days=14)),
        "a week": (month + timedelta(days=9), month + timedelta(days=15)),
        "12 days": (month + timedelta(days=9), month + timedelta(days=20)),
        "13 months": (today - timedelta(days=395), today),
    }
    for name, (first, last) in ranges.items():
        for by in (*EVERYBODY, *READ_WHOLE):
            top = None if by == ("day",) else TABLE_ROWS
            yield Asked(f"everybody, {name}, by {', '.join(by)}", ReportQuery(first=first, last=last, by=by, top=top))
        for by in (("team",), ("user",), ("org", "model")):
            yield Asked(f"everybody, {name}, by {', '.join(by)}, all", ReportQuery(first=first, last=last, by=by))
        for by in OF_AN_ORG:
            query = ReportQuery(first=first, last=last, by=by, org_id=ids["org_id"], top=TABLE_ROWS)
            yield Asked(f"an org, {name}, by {', '.join(by)}", query)
        for owner in ("user_id", "team_id"):
            query = ReportQuery(
                first=first,
                last=last,
                by=("day", "model"),
                max_rows=10_001,
                **{owner: ids[owner], "org_id": ids["org_id"]},
            )
            yield Asked(f"GET /v1/usage of a {owner[:-3]}, {name}", query)


async def measure(url: str) -> None:
    """Print the median and the 95th percentile of every report, PostgreSQL's CPU for one, and its rows."""
    connection = await asyncpg.connect(url)
    server = connection.get_server_pid()
    ids = dict(
        await connection.fetchrow(
            "SELECT org_id, team_id, user_id FROM usage_daily WHERE user_id IS NOT NULL"
            " GROUP BY 1, 2, 3 ORDER BY sum(requests) DESC LIMIT 1"
        )
    )
    only = os.environ.get("BENCH_ONLY", "")
    for one in asked(datetime.now(UTC).date(), ids):
        if only not in one.name:
            continue
        rows, waits = await read_report(connection, one.query), list[float]()
        before = cpu_s(server)
        for _ in range(RUNS):
            begun = time.perf_counter()
            rows = await read_report(connection, one.query)
            waits.append((time.perf_counter() - begun) * 1e3)
        parts = quantiles(waits, n=20)
        cpu_ms = (cpu_s(server) - before) / RUNS * 1e3
        print(f"{one.name:50} {parts[9]:8.1f} {parts[18]:8.1f} {cpu_ms:8.1f} ms {len(rows):7} rows", flush=True)  # noqa: T201
    await connection.close()


async def make(url: str, today: date) -> None:
    """Fill a database that is empty, or not of the newest revision."""
    await migrate.upgrade(url)
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    for setting in MAKING:
        await connection.execute(f"SET {setting}")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM usage_daily)"):
        await fill(connection, Size(events=int(os.environ.get("BENCH_EVENTS", "50_000_000"))), today)
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM usage_ranked_until)"):
        await fold(connection, today - timedelta(days=1))
    while await fold_day(connection, LOCK_ROLLUPS) is not None:
        pass  # days that are over since
    await connection.close()


def main() -> None:
    """Make, measure, and delete what is not to be kept."""
    today = datetime.now(UTC).date()
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary:
        folder = Path(sys.argv[1]) if sys.argv[1:] else Path(temporary) / "postgres"
        cluster = Cluster(newest_programs(), folder, options=OPTIONS)
        cluster.start()
        try:
            asyncio.run(make(cluster.url, today))
            asyncio.run(measure(cluster.url))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
