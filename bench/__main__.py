"""Runs the benchmark: rounds over all gateways, then the report. BENCH_ROUNDS, BENCH_SECONDS and BENCH_ONLY set it."""

import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop

from bench import load
from bench.environments import ENVIRONMENTS, VERSIONS, install
from bench.gateways import GATEWAYS, OTHER_CORE, Place, Running
from bench.load import BadAnswerError, Kind
from bench.processes import StartError, cpu_s, free_port, process
from bench.report import Costs, table

ROOT: Final = Path(__file__).resolve().parent.parent
REPORT: Final = ROOT / "docs" / "benchmark.md"
KINDS: Final[tuple[Kind, ...]] = ("plain", "paced", "burst")
CONNECTIONS: Final = 16
WARM_UP_S: Final = 1.0


def measure(running: Running, kind: Kind, seconds: float) -> float:
    """Return the CPU microseconds of one request or stream."""
    work = load.run(running.target, kind, connections=CONNECTIONS, seconds=seconds)
    before = cpu_s(running.pid)
    count = uvloop.run(work)
    return (cpu_s(running.pid) - before) / count * 1e6


def rounds(running: dict[str, Running], kinds: dict[str, list[Kind]], count: int, seconds: float) -> Costs:
    """Measure every gateway once in each round, one after another."""
    costs = {name: {kind: list[float]() for kind in kinds[name]} for name in running}
    for number in range(count):
        for kind in KINDS:
            for name in (name for name in running if kind in kinds[name]):
                costs[name][kind].append(measure(running[name], kind, seconds))
                print(f"round {number + 1} {kind:6} {name:10} {costs[name][kind][-1]:10,.0f} us", flush=True)  # noqa: T201
    return costs


def warm_up(running: Running) -> list[Kind]:
    """Return the workloads that a gateway answers rightly; raises the first failure where there are none."""
    good: list[Kind] = []
    for kind in KINDS:
        try:
            uvloop.run(load.run(running.target, kind, connections=CONNECTIONS, seconds=WARM_UP_S))
            good.append(kind)
        except (BadAnswerError, TimeoutError, OSError):
            if kind == KINDS[-1] and not good:
                raise
    return good


def start(
    stack: ExitStack, place: Place, names: list[str]
) -> tuple[dict[str, Running], dict[str, list[Kind]], dict[str, str]]:
    """Start and warm up the gateways; returns them, the workloads that they answer, and why others are absent."""
    running: dict[str, Running] = {}
    kinds: dict[str, list[Kind]] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            one = stack.enter_context(GATEWAYS[name](place))
            kinds[name] = warm_up(one)
            running[name] = one
        except (StartError, BadAnswerError, TimeoutError, OSError) as error:
            absent[name] = str(error)[:120]
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201
    return running, kinds, absent


def main() -> None:
    """Measure and write the report."""
    count, seconds = int(os.environ.get("BENCH_ROUNDS", "3")), float(os.environ.get("BENCH_SECONDS", "3"))
    only = os.environ.get("BENCH_ONLY")
    names = only.split(",") if only else list(GATEWAYS)
    install(ROOT / ENVIRONMENTS, names)
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        port = free_port()
        command = (sys.executable, "-m", "bench.upstream", str(port))
        stack.enter_context(process(command, core=OTHER_CORE, port=port, log=folder / "upstream.log"))
        running, kinds, absent = start(stack, Place(ROOT / ENVIRONMENTS, folder, port), names)
        costs = rounds(running, kinds, count, seconds)
    result = table(costs, absent)
    print(result)  # noqa: T201
    if not only:
        REPORT.write_text(page(result, count, seconds))


def page(result: str, count: int, seconds: float) -> str:
    """Return docs/benchmark.md."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {platform.machine()}"
    versions = "; ".join(f"{name} {version}" for name, version in VERSIONS.items())
    text = Path(__file__).with_name("page.md").read_text()
    return text.format(table=result, when=when, rounds=count, seconds=seconds, versions=versions)


if __name__ == "__main__":
    main()
