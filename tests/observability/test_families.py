"""What is counted in cells is shown as `prometheus_client` would show it, for one worker and for several."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import prometheus_client as library
import pytest
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from aqueduct.observability import cells
from aqueduct.observability.families import FOLDER, Families

BUCKETS = (0.1, 1.0, 10.0)
NAMES = ("model", "kind")
ODD = 'quote " backslash \\ line\n é'


class Moves(Protocol):
    """What both sides are asked to do."""

    def add(self, labels: tuple[str, ...], amount: float) -> None: ...
    def observe(self, labels: tuple[str, ...], value: float) -> None: ...
    def plain(self) -> None: ...
    def set(self, total: float, largest: float) -> None: ...


class Own:
    def __init__(self, registry: CollectorRegistry) -> None:
        made = Families(registry)
        self._counter = made.counter("t_things", "Things.", NAMES)
        self._histogram = made.histogram("t_seconds", "Time.", NAMES, BUCKETS)
        self._plain = made.counter("t_plain", "Plain.")
        self._sum = made.gauge("t_sum", "Sum.", "livesum")
        self._max = made.gauge("t_max", "Max.", "livemax")

    def add(self, labels: tuple[str, ...], amount: float) -> None:
        self._counter.add(labels, amount)

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        self._histogram.observe(labels, value)

    def plain(self) -> None:
        self._plain.add()

    def set(self, total: float, largest: float) -> None:
        self._sum.set(total)
        self._max.set(largest)


class Library:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = library.Counter("t_things", "Things.", NAMES, registry=registry)
        self._histogram = library.Histogram("t_seconds", "Time.", NAMES, buckets=BUCKETS, registry=registry)
        self._plain = library.Counter("t_plain", "Plain.", registry=registry)
        self._sum = library.Gauge("t_sum", "Sum.", registry=registry, multiprocess_mode="livesum")
        self._max = library.Gauge("t_max", "Max.", registry=registry, multiprocess_mode="livemax")

    def add(self, labels: tuple[str, ...], amount: float) -> None:
        self._counter.labels(*labels).inc(amount)

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        self._histogram.labels(*labels).observe(value)

    def plain(self) -> None:
        self._plain.inc()

    def set(self, total: float, largest: float) -> None:
        self._sum.set(total)
        self._max.set(largest)


def move(unit: Moves, seed: int) -> None:
    source = random.Random(seed)
    for number in range(300):
        labels = (f"model-{source.randrange(40)}", ODD)
        unit.add(labels, number / 7)
        unit.observe(labels, source.choice((-1.0, 0.0, 0.1, 0.5, 1.0, 10.0, 11.0, float("inf"))))
    unit.plain()
    unit.set(seed * 1.5, seed)


@pytest.fixture(autouse=True)
def no_created_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.metrics._use_created", False)


def local(make: Callable[[CollectorRegistry], Moves], seeds: tuple[int, ...]) -> bytes:
    registry = CollectorRegistry()
    unit = make(registry)
    for seed in seeds:
        move(unit, seed)
    return generate_latest(registry)


def merged(folder: Path) -> list[bytes]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # the library has no annotation here
    return sorted(generate_latest(registry).splitlines())


def shared(
    monkeypatch: pytest.MonkeyPatch, folder: Path, make: Callable[[CollectorRegistry], Moves], processes: range
) -> None:
    """Let processes count in a folder, one after another; here all are this one, by names of their own."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv(FOLDER, str(folder))
    for process in processes:
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(os.getpid))  # type: ignore[no-untyped-call]  # the library has no annotation here
        move(make(CollectorRegistry()), process)


def test_families_of_one_worker_show_the_librarys_text() -> None:
    assert local(Own, (1, 2)) == local(Library, (1, 2))


def test_families_of_one_worker_show_a_plain_counter_and_gauges_before_they_move() -> None:
    assert local(Own, ()) == local(Library, ())


def test_families_of_several_workers_show_the_librarys_sums(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Small, so that the files grow.
    monkeypatch.setattr(cells, "FIRST_BYTES", 4096)
    shared(monkeypatch, tmp_path / "own", Own, range(2, 5))
    shared(monkeypatch, tmp_path / "library", Library, range(2, 5))

    text = merged(tmp_path / "own")

    assert text == merged(tmp_path / "library")
    assert b"t_sum 13.5" in text
    assert b"t_max 4.0" in text
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == sorted(
        path.name for path in (tmp_path / "library").iterdir()
    )


def test_families_of_a_process_with_a_used_id_count_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shared(monkeypatch, tmp_path, Own, range(7, 8))
    shared(monkeypatch, tmp_path, Own, range(7, 8))

    assert b"t_plain_total 2.0" in merged(tmp_path)


def test_histogram_begin_shows_label_values_without_a_value() -> None:
    registry = CollectorRegistry()
    unit = Families(registry).histogram("t_seconds", "Time.", NAMES, BUCKETS)

    unit.begin(("m", "k"))
    unit.observe(("m", "k"), 0.5)
    unit.begin(("m", "k"))
    unit.begin(("other", "k"))

    count = registry.get_sample_value
    assert count("t_seconds_count", {"model": "m", "kind": "k"}) == 1.0
    assert count("t_seconds_count", {"model": "other", "kind": "k"}) == 0.0


FILLS_ITS_DISK = """
import logging, os, resource, sys
from pathlib import Path
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from aqueduct.observability import cells
from aqueduct.observability.families import FOLDER, Families

folder, bound, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cells.FIRST_BYTES = size
logging.basicConfig(stream=sys.stdout)
if bound:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))
os.environ[FOLDER] = folder
made = Families(CollectorRegistry())
counter = made.counter("t_things", "Things.", ("model",))
histogram = made.histogram("t_seconds", "Time.", ("model",), (0.1, 1.0))
for _ in range(2):
    for number in range(3000):
        counter.add((f"model-{number}",))
        histogram.observe((f"model-{number}",), 0.5)
made.counter("t_late", "Late.").add()
registry = CollectorRegistry()
MultiProcessCollector(registry, folder)
shown = generate_latest(registry).decode()
counted = [line for line in shown.splitlines() if line.startswith("t_things_total")]
assert all(line.endswith(" 2.0") for line in counted), counted
print("counted", len(counted))
"""


def full_disk(folder: Path, *, bound: int, first: int) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", FILLS_ITS_DISK, str(folder), str(bound), str(first)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, (ended.returncode, ended.stdout[-2000:], ended.stderr[-2000:])
    return ended.stdout


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a folder on a disk of 256 kB, and 0; where nothing can be mounted, any and how long its files may get."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    arguments = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *arguments], capture_output=True, check=False).returncode:
        yield folder, 1 << 17
        return
    try:
        yield folder, 0
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_families_on_a_full_disk_count_what_they_had_room_for_and_say_so_once(small_tmpfs: tuple[Path, int]) -> None:
    said = full_disk(small_tmpfs[0], bound=small_tmpfs[1], first=1 << 16)

    assert 100 < int(said.rpartition("counted ")[2]) < 3000
    assert said.count("metrics_not_counted") == 2, "once for each file"


def test_families_whose_files_may_not_grow_count_what_they_had_room_for(tmp_path: Path) -> None:
    said = full_disk(tmp_path, bound=1 << 16, first=1 << 16)

    assert 100 < int(said.rpartition("counted ")[2]) < 3000
    assert said.count("metrics_not_counted") == 2


def test_families_whose_files_cannot_be_made_count_for_nobody(tmp_path: Path) -> None:
    said = full_disk(tmp_path, bound=1 << 15, first=1 << 16)

    assert said.rpartition("counted ")[2] == "0\n"
    assert "metrics_not_counted" in said
    assert list(tmp_path.iterdir()) == []
