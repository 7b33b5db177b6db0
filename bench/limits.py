"""Memory of a thousand open streams and after them, and the stall that large requests cause; Aqueduct only."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from bench import load
from bench.gateways import OTHER_CORE, Place, Running, aqueduct
from bench.load import Target
from bench.processes import free_port, process, rss_kb

STREAMS: Final = 1_000
LARGE_REQUESTS: Final = 10
LARGE_BYTES: Final = 20_000_000
PROBE_PAUSE_S: Final = 0.002
BASELINE_S: Final = 3.0
SETTLED_S: Final = 60
ALLOCATORS: Final = {
    "pymalloc": {"PYTHONMALLOC": "pymalloc"},
    "malloc": {"PYTHONMALLOC": "malloc"},
    "jemalloc": {"PYTHONMALLOC": "malloc", "LD_PRELOAD": "libjemalloc.so.2"},
}
"""CPython's own, the C library's, and jemalloc, which is the default where it is installed (decision record 0020)."""


class Memory(Struct, frozen=True):
    """Resident memory of the gateway in kB."""

    before: int
    during: int
    after: int


async def memory(running: Running) -> Memory:
    """Hold `STREAMS` slow streams open; `during` is the largest value seen, `after` is a minute after their end."""
    before = during = rss_kb(running.pid)
    streams = asyncio.create_task(load.run_once(running.target, "slow", connections=STREAMS))
    while not streams.done():
        await asyncio.sleep(0.5)
        during = max(during, rss_kb(running.pid))
    if await streams != STREAMS:
        raise RuntimeError("some streams are missing")
    await asyncio.sleep(SETTLED_S)
    return Memory(before, during, rss_kb(running.pid))


async def slowest_probe_s(target: Target, until: asyncio.Event) -> float:
    """Ask the echo model for little, over and over; returns the longest time that an answer took."""
    body = b'{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
    data = load.framed(target, body)
    connection = await load.connect(target)
    slowest = 0.0
    while not until.is_set():
        begun = time.perf_counter()
        await connection.ask(data)
        slowest = max(slowest, time.perf_counter() - begun)
        await asyncio.sleep(PROBE_PAUSE_S)
    connection.transport.close()
    return slowest


async def stall_s(target: Target) -> tuple[float, float]:
    """Return the slowest probe alone, and while large requests pass one after another."""
    quiet = asyncio.Event()
    asyncio.get_running_loop().call_later(BASELINE_S, quiet.set)
    baseline = await slowest_probe_s(target, quiet)
    over = asyncio.Event()
    probe = asyncio.create_task(slowest_probe_s(target, over))
    await asyncio.to_thread(send_large, target)
    over.set()
    return baseline, await probe


def send_large(target: Target) -> None:
    """Send requests of 20 MB with four images each, with blocking calls; raises `BadAnswerError`."""
    picture = "A" * (LARGE_BYTES // 4)
    part = f'{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{picture}"}}}}'
    body = f'{{"model":"gpt","messages":[{{"role":"user","content":[{",".join([part] * 4)}]}}]}}'
    data = load.framed(target, body.encode())
    with socket.create_connection(("127.0.0.1", target.port), timeout=load.ANSWER_TIMEOUT_S) as connection:
        for _ in range(LARGE_REQUESTS):
            connection.sendall(data)
            answer = bytearray()
            while (content := load.whole_body(answer)) is None:
                received = connection.recv(65_536)
                if not received:
                    raise load.BadAnswerError("connection closed")
                answer += received
            load.verify("plain", content)


def uses(pid: int, allocator: str) -> bool:
    """Whether a process has loaded the library that it was to preload, if any."""
    library = ALLOCATORS[allocator].get("LD_PRELOAD", "")
    return library in Path(f"/proc/{pid}/maps").read_text()


def measure_memory(folder: Path, port: int, allocator: str) -> None:
    """Measure the memory of streams with one allocator, and print it."""
    before = dict(os.environ)
    os.environ.update(ALLOCATORS[allocator])
    try:
        with aqueduct(Place(folder, folder, port)) as running:
            if not uses(running.pid, allocator):
                print(f"{allocator}: not installed")  # noqa: T201
                return
            uvloop.run(load.run(running.target, "plain", connections=16, seconds=2))
            uvloop.run(load.run(running.target, "paced", connections=16, seconds=2))
            found = uvloop.run(memory(running))
    finally:
        os.environ.clear()
        os.environ.update(before)
    growth = found.during - found.before
    left = (found.after - found.before) / growth
    print(f"{allocator}: memory kB {found}, {growth / STREAMS:.1f} kB a stream, {left:.0%} of it left")  # noqa: T201


def measure_stalls(folder: Path, port: int) -> None:
    """Measure what large requests do to small ones, and print it."""
    with aqueduct(Place(folder, folder, port)) as running:
        uvloop.run(load.run(running.target, "plain", connections=16, seconds=2))
        for _ in range(3):
            baseline, loaded = uvloop.run(stall_s(running.target))
            print(f"slowest probe: alone {baseline * 1e3:.0f} ms, beside large {loaded * 1e3:.0f} ms")  # noqa: T201


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary:
        folder = Path(temporary)
        port = free_port()
        command = (sys.executable, "-m", "bench.upstream", str(port))
        with process(command, core=OTHER_CORE, port=port, log=folder / "upstream.log"):
            for allocator in ALLOCATORS:
                own = folder / allocator
                own.mkdir()
                measure_memory(own, port, allocator)
            own = folder / "stalls"
            own.mkdir()
            measure_stalls(own, port)


if __name__ == "__main__":
    main()
