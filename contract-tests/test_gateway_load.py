"""Many streams at once in one process: what they hold while they are open, and what is left of it after they end.

Bounds are twice the goals and more, so that a loaded machine does not fail them; the figures themselves are printed.
"""

import asyncio
import random
import resource
import time
from collections.abc import Iterator

import pytest
from gateway_fixtures import fresh_database
from light_upstream import CHUNKS, PAUSE_S, LightUpstream, light_upstream
from running_gateway import ORGANISATION, apply_yaml
from serving_process import ServingProcess, chat_request, fetch, resident_kb, serving, wait_until

from aqueduct.db.cluster import Cluster

STREAMS = 1000
FILES = 4096
SOAK = 300
IDLE_CONNECTIONS = 256
GOAL_KB_PER_STREAM = 40
LEFT_KB = 15 * 1024
PROMPT = "hello " * 150
LIGHT = """
providers: [{{name: light, adapter: openai, base_url: "http://127.0.0.1:{port}/v1", secret: env:TEST_SECRET}}]
models: [{{name: light, deployments: [{{provider: light, upstream_model: light}}]}}]
"""
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module", autouse=True)
def enough_files() -> Iterator[None]:
    """Room for the sockets, in this process and in those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, FILES) if hard == resource.RLIM_INFINITY else min(max(soft, FILES), hard)
    assert wanted >= FILES, f"the machine allows {hard} open files, this test needs {FILES}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def upstream() -> Iterator[LightUpstream]:
    with light_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def loaded(
    gateway_cluster: Cluster, upstream: LightUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServingProcess, str]]:
    folder = tmp_path_factory.mktemp("load")
    url = fresh_database(gateway_cluster, "load")
    apply_yaml(url, ORGANISATION + LIGHT.format(port=upstream.port), folder)
    with serving("serve", folder / "serve", database_url=url, usage_flush_s="0.5") as process:
        asyncio.run(streams(process, 300, over_s=3.0, stop_after=8))  # the pool of connections is no stream
        yield process, url


async def one(process: ServingProcess, delay_s: float, opened: list[int], stop_after: int | None) -> bool:
    """Read one stream, or leave after some chunks; returns whether it was whole."""
    await asyncio.sleep(delay_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    try:
        writer.write(chat_request(PROMPT, "light", stream=True))
        seen = b""
        while data := await reader.read(65536):
            if not seen:
                assert b" 200 OK" in data, data
                opened.append(1)
            seen = seen[-len(DONE) :] + data
            stop_after = None if stop_after is None else stop_after - data.count(b"data: ")
            if DONE in seen or (stop_after is not None and stop_after <= 0):
                break
        return DONE in seen
    finally:
        writer.close()


async def streams(
    process: ServingProcess, count: int, *, over_s: float, stop_after: int | None = None
) -> tuple[int, int]:
    """Open streams spread over a time and read them; returns the resident kB when all were open, and the whole ones."""
    opened: list[int] = []
    tasks = [asyncio.create_task(one(process, over_s * number / count, opened, stop_after)) for number in range(count)]
    async with asyncio.timeout(30):
        while len(opened) < count and not any(task.done() and task.exception() for task in tasks):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        during = resident_kb(process.process.pid)
        whole = await asyncio.gather(*tasks)
    return during, sum(whole)


def wait_for_memory(process: ServingProcess, wanted_kb: int, timeout_s: float = 8.0) -> int:
    """Give the process time to return memory; returns what it holds then, in kB."""
    until = time.monotonic() + timeout_s
    while (held := resident_kb(process.process.pid)) > wanted_kb and time.monotonic() < until:
        time.sleep(0.1)
    return held


def test_thousand_open_streams_stay_small_and_their_memory_returns(
    loaded: tuple[ServingProcess, str], upstream: LightUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    process, _ = loaded
    before = resident_kb(process.process.pid)

    during, whole = asyncio.run(streams(process, STREAMS, over_s=CHUNKS * PAUSE_S * 0.4))

    assert whole == STREAMS
    per_stream = (during - before) / STREAMS
    after = wait_for_memory(process, before + LEFT_KB)
    with capsys.disabled():
        print(f"\n{STREAMS} streams: {per_stream:.1f} kB each, {before} kB before, {during} during, {after} after")  # noqa: T201 - the figure
    assert per_stream < 2 * GOAL_KB_PER_STREAM
    assert after - before < LEFT_KB


def test_soak_with_clients_that_vanish_holds_no_memory_and_no_connection(
    loaded: tuple[ServingProcess, str], upstream: LightUpstream
) -> None:
    """Trap 18: 30 % of the streams are left by their clients at a random chunk; each has its row."""
    process, url = loaded
    wait_until(lambda: "\naqueduct_inflight 0.0" in process.get("/metrics").body.decode(), 10.0, "no request is open")
    wait_until(lambda: "\naqueduct_usage_spool_records 0.0" in process.get("/metrics").body.decode(), 10.0, "rows")
    before_kb = resident_kb(process.process.pid)
    begun = fetch(url, "SELECT count(*) AS n FROM usage.requests")[0]["n"]
    rng = random.Random(18)

    async def soak() -> list[bool]:
        opened: list[int] = []
        leaves = [rng.randint(1, CHUNKS // 2) if rng.random() < 0.3 else None for _ in range(SOAK)]
        async with asyncio.timeout(60):
            tasks = [one(process, number / SOAK * 2, opened, leave) for number, leave in enumerate(leaves)]
            return await asyncio.gather(*tasks)

    whole = asyncio.run(soak())

    wait_until(lambda: "\naqueduct_inflight 0.0" in process.get("/metrics").body.decode(), 10.0, "all have ended")
    assert 0 < whole.count(False) < SOAK // 2
    wait_until(lambda: "\naqueduct_usage_spool_records 0.0" in process.get("/metrics").body.decode(), 10.0, "rows")
    assert fetch(url, "SELECT count(*) AS n FROM usage.requests")[0]["n"] == begun + SOAK
    assert upstream.open_connections <= IDLE_CONNECTIONS
    assert resident_kb(process.process.pid) - before_kb < LEFT_KB
    sources = fetch(url, "SELECT usage_source AS s, error_kind AS e, count(*) AS n FROM usage.requests GROUP BY 1, 2")
    assert {(row["s"], row["e"]) for row in sources} == {("provider", None), ("estimated", "caller_disconnected")}
