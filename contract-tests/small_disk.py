"""A disk that can really be full: a tmpfs of its own, which only root can mount."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 16
BLOCK = b"\0" * 4096


class SmallDisk:
    """A folder on a disk of `SIZE_MB`. `fill` takes all that is left of it, `free` gives it back."""

    kind = "tmpfs (ENOSPC)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take every block."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(BLOCK)
            except OSError as error:
                assert error.strerror == "No space left on device"  # noqa: PT017 - what the disk is here for

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()


class BoundedFiles(SmallDisk):
    """Where nothing can be mounted: the processes' files may not grow, which the system tells them as EFBIG."""

    kind = "bound on the size of files (EFBIG), because no tmpfs can be mounted here"

    def __init__(self, folder: Path, pids: Callable[[], list[int]]) -> None:
        super().__init__(folder)
        self._pids = pids

    def fill(self) -> None:
        """Bound every process to what its journal has now."""
        longest = max(path.stat().st_size for path in self.folder.rglob("*.segment"))
        self._bound(longest)

    def free(self) -> None:
        """Lift the bound."""
        self._bound(resource.RLIM_INFINITY)

    def _bound(self, size: int) -> None:
        for pid in self._pids():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, pids: Callable[[], list[int]]) -> Iterator[SmallDisk]:
    """Mount it at a new folder; `pids` are the processes that write there, for where nothing can be mounted."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield BoundedFiles(folder, pids)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
