"""Processes of a measurement: start pinned to a core, wait until they serve, account for them, end them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

START_TIMEOUT_S: Final = 90.0
END_TIMEOUT_S: Final = 15.0
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


class StartError(RuntimeError):
    """A process that does not serve; the message holds the end of what it said."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str | Path],
    *,
    core: int | None,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a program on one core, None: on all, until the block ends; yields its process id once `port` is open."""
    with log.open("wb") as out:
        child = subprocess.Popen(  # noqa: S603 - programs of the benchmark
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - no threads run yet
        )
    try:
        _wait_for(child, port, log)
        yield child.pid
    finally:
        _end(child)


def _wait_for(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if child.poll() is not None or time.monotonic() > until:
            raise StartError(f"does not serve: {log.read_text(errors='replace')[-400:].strip()}")
        time.sleep(0.1)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(END_TIMEOUT_S)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait(END_TIMEOUT_S)


def parse_stat(line: str) -> tuple[int, float]:
    """Return the parent's process id and the CPU seconds of ended children, from a line of /proc/PID/stat."""
    fields = line[line.rindex(")") + 2 :].split()
    return int(fields[1]), sum(map(int, fields[13:15])) * _TICK_S


def own_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process that runs, with its ended threads', to the nanosecond.

    It is the clock of `clock_getcpuclockid(3)`, which Python does not have: /proc/PID/stat counts ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def tree(pid: int) -> dict[int, float]:
    """Return the CPU seconds of a process and all its descendants, by process id."""
    found: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
    members = {pid}
    while more := {child for child, (parent, _) in found.items() if parent in members} - members:
        members |= more
    spent: dict[int, float] = {}
    for member in members & found.keys():
        with suppress(OSError):  # it has ended since
            spent[member] = own_cpu_s(member) + found[member][1]
    return spent


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process tree has used so far."""
    return sum(tree(pid).values())


def rss_kb(pid: int) -> int:
    """Return the resident memory of a process tree."""
    total = 0
    for member in tree(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total
