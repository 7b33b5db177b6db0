import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import asyncpg
import pytest

from aqueduct.db.cluster import ClusterError
from aqueduct.db.embedded import database_url, embedded_postgres
from aqueduct.settings import Settings

OPTIONS = ("fsync=off",)
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aqueduct-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / ".aqueduct"


async def _ask(url: str, question: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close(timeout=5)


def _postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def _hold(data_dir: Path, pipe: Connection) -> None:
    """Be another process that uses the same folder, until told to end."""
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        pipe.send(url)
        pipe.recv()


async def test_embedded_started_again_keeps_its_data(data_dir):
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        await _ask(url, "CREATE TABLE kept (it int)")
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        assert await _ask(url, "SELECT count(*) FROM kept") == 0
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_embedded_beside_another_process_is_shared_and_stopped_by_the_last(data_dir):
    ours, theirs = SPAWN.Pipe()
    other = SPAWN.Process(target=_hold, args=(data_dir, theirs))
    other.start()
    try:
        assert ours.poll(60)
        url = ours.recv()
        with embedded_postgres(data_dir, options=OPTIONS) as shared:
            assert shared == url
        assert await _ask(url) == 1, "the other process lost its server"
        ours.send("end")
        other.join(30)
        assert other.exitcode == 0
        assert not (data_dir / "postgres" / "postmaster.pid").exists()
    finally:
        other.kill()
        other.join(10)


async def test_embedded_of_a_killed_process_is_taken_over(data_dir):
    ours, theirs = SPAWN.Pipe()
    other = SPAWN.Process(target=_hold, args=(data_dir, theirs))
    other.start()
    try:
        assert ours.poll(60)
        ours.recv()
    finally:
        other.kill()
        other.join(10)
    left_running = _postmaster_pid(data_dir)
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        assert await _ask(url) == 1
        assert _postmaster_pid(data_dir) == left_running
    assert not (data_dir / "postgres" / "postmaster.pid").exists(), "the last one out has to stop it"


async def test_embedded_after_the_server_was_killed_recovers(data_dir):
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        await _ask(url, "CREATE TABLE kept (it int)")
        os.kill(_postmaster_pid(data_dir), signal.SIGKILL)
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        assert await _ask(url, "SELECT count(*) FROM kept") == 0


async def test_embedded_with_a_pid_file_that_names_a_stranger_starts(data_dir):
    with embedded_postgres(data_dir, options=OPTIONS):
        pid_file = data_dir / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        assert await _ask(url) == 1


async def test_embedded_after_an_interrupted_initdb_starts_afresh(data_dir):
    half = data_dir / "postgres.new" / "base"
    half.mkdir(parents=True)
    with embedded_postgres(data_dir, options=OPTIONS) as url:
        assert await _ask(url) == 1
    assert not half.parent.exists()


async def test_embedded_under_a_path_too_long_for_a_socket_and_with_odd_characters_works(data_dir):
    deep = data_dir / "it's a % long path" / ("x" * 80)
    with embedded_postgres(deep, options=OPTIONS) as url:
        assert await _ask(url) == 1


def test_embedded_made_by_an_unknown_version_is_refused(data_dir):
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ClusterError, match="made by PostgreSQL 9"), embedded_postgres(data_dir):
        pass


def test_embedded_that_cannot_start_tells_what_postgresql_says(data_dir):
    begun = time.monotonic()
    with (
        pytest.raises(ClusterError, match="no_such_setting"),
        embedded_postgres(data_dir, options=("no_such_setting=1",)),
    ):
        pass
    assert time.monotonic() - begun < 30


def test_database_url_with_a_url_set_starts_nothing(tmp_path):
    settings = Settings(database_url="postgresql://db.invalid/x", data_dir=str(tmp_path / "none"))
    with database_url(settings) as url:
        assert url == "postgresql://db.invalid/x"
    assert not (tmp_path / "none").exists()
