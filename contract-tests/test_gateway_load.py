"""Many streams at once in one process: what they hold while they are open, and what is left of it after they end.

Bounds are twice the goals and more, so that a loaded machine does not fail them; the figures themselves are printed.
"""

import asyncio
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_fixtures import fresh_database
from light_upstream import CHUNKS, PAUSE_S, LightUpstream, light_upstream
from running_gateway import ORGANISATION, apply_yaml
from serving_process import ServingProcess, chat_request, fetch, resident_kb, serving, wait_until

from aqueduct.cli.allocator import CHOSEN_BY, LIBRARY, find_library, folders
from aqueduct.db.cluster import Cluster

STREAMS = 1000
FILES = 4096
SOAK = 300
SOAK_ROUNDS = 3
FLAT_KB = 4 * 1024
RETURNS_WITHIN_S = 75.0
"""Memory is given back at the drop, and for the last time 40 s after it."""
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


def settle(process: ServingProcess) -> None:
    """Wait until no request is open and all rows are written."""

    def is_settled() -> bool:
        metrics = process.get("/metrics").body.decode()
        return "\naqueduct_inflight 0.0" in metrics and "\naqueduct_usage_spool_records 0.0" in metrics

    wait_until(is_settled, 20.0, "no request is open, and all rows are written")


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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chosen", [None, "malloc"], ids=["jemalloc", "c-library"])
def test_memory_of_many_streams_returns_to_the_system(
    gateway_cluster: Cluster,
    upstream: LightUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    chosen: str | None,
) -> None:
    """Decision record 0020: CPython's own allocator keeps two thirds of the growth, others next to nothing."""
    for name in CHOSEN_BY:
        monkeypatch.delenv(name, raising=False)
    if chosen is not None:
        monkeypatch.setenv("PYTHONMALLOC", chosen)
    elif find_library(folders()) is None:
        assert "CI" not in os.environ, f"{LIBRARY} must be installed where nothing may be skipped"
        pytest.skip(f"{LIBRARY} is not installed")
    url = fresh_database(gateway_cluster, f"returns_{chosen}".lower())
    apply_yaml(url, ORGANISATION + LIGHT.format(port=upstream.port), tmp_path)
    with serving("serve", tmp_path / "serve", database_url=url, usage_flush_s="0.5") as process:
        loaded = Path(f"/proc/{process.process.pid}/maps").read_text()
        assert (LIBRARY in loaded) is (chosen is None)
        asyncio.run(streams(process, 300, over_s=3.0, stop_after=8))  # what the first requests make stays
        settle(process)
        before = resident_kb(process.process.pid)

        during, whole = asyncio.run(streams(process, STREAMS, over_s=CHUNKS * PAUSE_S * 0.4))

        assert whole == STREAMS
        growth = during - before
        after = wait_for_memory(process, before + growth * 35 // 100, RETURNS_WITHIN_S)
    with capsys.disabled():
        print(f"\n{STREAMS} streams: {before} kB before, {during} during, {after} after")  # noqa: T201 - the figure
    assert growth > 5 * STREAMS, "so little that nothing could return"
    assert after - before <= growth * 35 // 100


def test_soak_with_clients_that_vanish_holds_no_memory_and_no_connection(
    loaded: tuple[ServingProcess, str], upstream: LightUpstream
) -> None:
    """Trap 18: 30 % of the streams are left by their clients at some chunk; each has its row. Rounds add nothing."""
    process, url = loaded
    settle(process)
    begun = fetch(url, "SELECT count(*) AS n FROM usage.requests")[0]["n"]
    assert isinstance(begun, int)
    rng = random.Random(18)

    async def soak() -> list[bool]:
        opened: list[int] = []
        leaves = [rng.randint(1, CHUNKS // 2) if rng.random() < 0.3 else None for _ in range(SOAK)]
        async with asyncio.timeout(60):
            tasks = [one(process, number / SOAK * 2, opened, leave) for number, leave in enumerate(leaves)]
            return await asyncio.gather(*tasks)

    held_kb: list[int] = [resident_kb(process.process.pid)]
    for number in range(SOAK_ROUNDS):
        whole = asyncio.run(soak())

        settle(process)
        assert 0 < whole.count(False) < SOAK // 2
        assert fetch(url, "SELECT count(*) AS n FROM usage.requests")[0]["n"] == begun + SOAK * (number + 1)
        assert upstream.open_connections <= IDLE_CONNECTIONS
        held_kb.append(resident_kb(process.process.pid))

    assert held_kb[1] - held_kb[0] < LEFT_KB
    assert held_kb[-1] - held_kb[1] < FLAT_KB, f"memory grows from round to round: {held_kb} kB"
    sources = fetch(url, "SELECT usage_source AS s, error_kind AS e, count(*) AS n FROM usage.requests GROUP BY 1, 2")
    assert {(row["s"], row["e"]) for row in sources} == {("provider", None), ("estimated", "caller_disconnected")}
