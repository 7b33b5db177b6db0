"""Several workers under one socket: all serve, all count into one `/metrics`, one that dies is replaced."""

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_fixtures import Mocks
from raw_http import Connection
from serving_process import (
    ServingProcess,
    chat_request,
    fetch,
    prepared_database,
    serving,
    wait_until,
    workers_of,
)

from aqueduct.db.cluster import Cluster

SAMPLE = re.compile(r"^(aqueduct_\w+)(\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)


@pytest.fixture
def url(gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path) -> str:
    return prepared_database(gateway_cluster, mocks, tmp_path)


@pytest.fixture
def two_workers(url: str, tmp_path: Path) -> Iterator[ServingProcess]:
    with serving("serve", tmp_path / "serve", database_url=url, workers="2", drain_s="10") as process:
        wait_until(lambda: len(workers_of(process)) == 2, 20.0, "two workers")
        yield process


def total(process: ServingProcess, name: str) -> float:
    text = process.get("/metrics").body.decode()
    return sum(float(value) for sample, _, value in SAMPLE.findall(text) if sample == name)


def metrics_folder(process: ServingProcess) -> Path:
    environment = Path(f"/proc/{workers_of(process)[0]}/environ").read_bytes().split(b"\0")
    (folder,) = [item.partition(b"=")[2] for item in environment if item.startswith(b"PROMETHEUS_MULTIPROC_DIR=")]
    return Path(os.fsdecode(folder))


def test_two_workers_both_serve_and_metrics_are_the_sum_whichever_answers(
    two_workers: ServingProcess, url: str
) -> None:
    streams = connections_of_both(two_workers)
    count = len(streams)
    for stream in streams:
        stream.send(chat_request("[echo tokens=60 delay_ms=50] go", stream=True))
        stream.read_until(b'"content":"')
    wait_until(lambda: total(two_workers, "aqueduct_inflight") == count, 5.0, "all open streams in one gauge")
    assert {total(two_workers, "aqueduct_inflight") for _ in range(10)} == {float(count)}
    connected = [len(established(pid, two_workers.port)) for pid in workers_of(two_workers)]
    for stream in streams:
        stream.read_until(b"data: [DONE]")
        stream.socket.close()
    for _ in range(40):
        assert two_workers.chat("Hi").status == 200

    assert min(connected) > 0, f"one worker does all the work: {connected}"
    assert {total(two_workers, "aqueduct_requests_total") for _ in range(10)} == {count + 40.0}
    wait_until(lambda: total(two_workers, "aqueduct_usage_rows_total") == count + 40, 10.0, "all rows counted")
    assert len(fetch(url, "SELECT id FROM usage.requests")) == count + 40
    folder = metrics_folder(two_workers)
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0, "nobody else may write into it"
    assert two_workers.stop() == 0
    assert not folder.exists()


def connections_of_both(process: ServingProcess) -> list[Connection]:
    """Connect until each worker has a connection: on a busy machine the same one may be the quicker for a while."""
    connections = [Connection(process.port) for _ in range(12)]
    while len(connections) < 200:
        if all(established(pid, process.port) for pid in workers_of(process)):
            break
        connections.append(Connection(process.port))
    return connections


def established(pid: int, port: int) -> list[str]:
    """The connections to a port that a process holds."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        line[9]
        for line in lines
        if line[3] == "01" and int(line[1][-4:], 16) == port and f"socket:[{line[9]}]" in inodes
    ]


def test_killed_worker_is_replaced_and_no_counter_jumps_down(two_workers: ServingProcess) -> None:
    for _ in range(20):
        assert two_workers.chat("Hi").status == 200
    assert total(two_workers, "aqueduct_requests_total") == 20.0
    before = workers_of(two_workers)
    with Connection(two_workers.port) as stream:
        stream.send(chat_request("[echo tokens=400 delay_ms=50] go", stream=True))
        stream.read_until(b'"content":"')
        wait_until(lambda: total(two_workers, "aqueduct_inflight") == 1, 5.0, "the open stream")
        (victim,) = [pid for pid in before if established(pid, two_workers.port)]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(set(workers_of(two_workers)) - {victim}) == 2, 20.0, "a new worker")

    assert total(two_workers, "aqueduct_inflight") == 0, "what the dead worker held is no more"
    assert total(two_workers, "aqueduct_requests_total") == 20.0
    for _ in range(20):
        assert two_workers.chat("Hi").status == 200
    assert total(two_workers, "aqueduct_requests_total") == 40.0
    assert two_workers.stop() == 0


def test_sigterm_drains_all_workers(two_workers: ServingProcess, url: str) -> None:
    streams = [Connection(two_workers.port) for _ in range(8)]
    for stream in streams:
        stream.send(chat_request("[echo tokens=30 delay_ms=60] go", stream=True))
        stream.read_until(b'"content":"')
    two_workers.send(signal.SIGTERM)
    for stream in streams:
        rest = stream.read_until(b"0\r\n\r\n")
        assert b'"finish_reason":"stop"' in rest
        assert b"data: [DONE]" in rest
        stream.socket.close()

    assert two_workers.ended() == 0
    assert [row["usage_source"] for row in fetch(url, "SELECT * FROM usage.requests")] == ["provider"] * 8


def test_two_instances_side_by_side_do_not_mix_their_metrics(
    two_workers: ServingProcess, url: str, tmp_path: Path
) -> None:
    with serving("serve", tmp_path / "other", database_url=url, workers="2") as other:
        wait_until(lambda: len(workers_of(other)) == 2, 20.0, "two workers")
        for _ in range(3):
            assert two_workers.chat("Hi").status == 200
        for _ in range(5):
            assert other.chat("Hi").status == 200

        assert metrics_folder(other) != metrics_folder(two_workers)
        assert (total(two_workers, "aqueduct_requests_total"), total(other, "aqueduct_requests_total")) == (3.0, 5.0)


def test_one_worker_takes_no_metrics_folder_from_the_environment(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as shared:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", shared)
        with serving("serve", tmp_path / "serve", database_url=url) as process:
            assert process.chat("Hi").status == 200
            assert total(process, "aqueduct_requests_total") == 1.0
        assert list(Path(shared).iterdir()) == []
