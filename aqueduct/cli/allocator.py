"""Starts the gateway's process with an allocator that returns memory after a peak: jemalloc, else the C library's.

An allocator can only be chosen before a process begins, so the process is replaced by the same command with one or two
more variables. Who has set one of them has chosen. Decision record 0020.
"""

import os
import platform
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

LIBRARY: Final = "libjemalloc.so.2"
CHOSEN_BY: Final = ("LD_PRELOAD", "PYTHONMALLOC")


def exec_with_returning_allocator() -> None:
    """Replace this process by itself with such an allocator; returns where that is not to be."""
    if sys.platform == "linux" and is_open(os.environ) and (chosen := choose(find_library(folders()))):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | chosen)  # noqa: S606 - this very command


def choose(library: Path | None) -> dict[str, str]:
    """Return the variables for jemalloc at `library`, for the C library's allocator where that is glibc's, or none."""
    if library is not None:
        return {"LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"}
    return {"PYTHONMALLOC": "malloc"} if platform.libc_ver()[0] == "glibc" else {}


def is_open(environment: Mapping[str, str]) -> bool:
    """Return whether the environment leaves the allocator open."""
    return not any(name in environment for name in CHOSEN_BY)


def folders() -> tuple[Path, ...]:
    """Return where systems keep libraries for this processor; a running process cannot load this one to find out."""
    of_processor = sysconfig.get_config_var("MULTIARCH")
    names = ([f"/usr/lib/{of_processor}"] if of_processor else []) + ["/usr/lib64", "/usr/lib", "/usr/local/lib"]
    return tuple(map(Path, names))


def find_library(places: Iterable[Path]) -> Path | None:
    """Return the library, None where it is not installed."""
    return next((place / LIBRARY for place in places if (place / LIBRARY).exists()), None)
