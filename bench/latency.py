"""Measures what a gateway adds to the time of one request that has the machine to itself; writes nothing.

`python -m bench.latency` asks the upstream itself and each gateway in turn, on one connection, and prints of each the
median and the 99th percentile of its times, and the median of what it adds to the upstream's of the same round.
BENCH_ONLY names the gateways, BENCH_ROUNDS says how many rounds.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from bench import load
from bench.environments import ENVIRONMENTS, install
from bench.gateways import GATEWAYS, OTHER_CORE, Place
from bench.load import Target
from bench.processes import free_port, process

ROOT: Final = Path(__file__).resolve().parent.parent
REQUESTS: Final = 400
WARM_UP_REQUESTS: Final = 2000
UPSTREAM: Final = "upstream"


class Times(Struct, frozen=True):
    """Microseconds of the requests of one round."""

    p50: float
    p99: float


async def ask(target: Target, count: int) -> Times:
    """Ask one after another on one connection, every answer verified."""
    connection = await load.connect(target)
    data, times = load.request(target, "plain"), list[float]()
    for _ in range(count):
        begun = time.perf_counter()
        body = await connection.ask(data)
        times.append((time.perf_counter() - begun) * 1e6)
        load.verify("plain", body)
    connection.transport.close()
    cuts = statistics.quantiles(times, n=100)
    return Times(cuts[49], cuts[98])


def line(name: str, rounds: list[Times], bare: list[Times]) -> str:
    """Return what is printed of one target."""
    p50, p99 = (statistics.median(each) for each in ([r.p50 for r in rounds], [r.p99 for r in rounds]))
    added = statistics.median(r.p50 - b.p50 for r, b in zip(rounds, bare, strict=True))
    worst = statistics.median(r.p99 - b.p99 for r, b in zip(rounds, bare, strict=True))
    return f"{name:12} p50 {p50:8,.0f} us  p99 {p99:8,.0f} us  added p50 {added:8,.0f} us  added p99 {worst:8,.0f} us"


def main() -> None:
    """Measure and print."""
    names = os.environ.get("BENCH_ONLY", "Aqueduct,TensorZero").split(",")
    count = int(os.environ.get("BENCH_ROUNDS", "15"))
    install(ROOT / ENVIRONMENTS, names)
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary, ExitStack() as stack:
        folder, port = Path(temporary), free_port()
        command = (sys.executable, "-m", "bench.upstream", str(port))
        stack.enter_context(process(command, core=OTHER_CORE, port=port, log=folder / "upstream.log"))
        place = Place(ROOT / ENVIRONMENTS, folder, port)
        targets = {UPSTREAM: Target(port=port)}
        targets |= {name: stack.enter_context(GATEWAYS[name](place)).target for name in names}
        for target in targets.values():
            uvloop.run(ask(target, WARM_UP_REQUESTS))
        taken = {name: list[Times]() for name in targets}
        for _ in range(count):
            for name, target in targets.items():
                taken[name].append(uvloop.run(ask(target, REQUESTS)))
    for name, rounds in taken.items():
        print(line(name, rounds, taken[UPSTREAM]))  # noqa: T201 - this program's output


if __name__ == "__main__":
    main()
