"""What the tests about the repository read: its root, its tracked files and their comments."""

import io
import shutil
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "adapters", "aqueduct")


UNTRACKED = {".git", ".venv", ".aqueduct", "node_modules", "__pycache__", "dist", "build"}


def listed_files() -> list[str]:
    """What git tracks; in an unpacked archive, which has no history, everything but products and caches."""
    listing = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        return subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    relative = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    return [str(path) for path in relative if not UNTRACKED & {*path.parts} and not path.parts[0].endswith("_cache")]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Paths of all tracked files that exist, relative to the root."""
    return tuple(path for name in listed_files() if name and (ROOT / (path := Path(name))).is_file())


def tracked_text() -> Iterator[tuple[Path, str]]:
    """Each tracked file that is UTF-8 text, with its content."""
    for path in tracked_files():
        try:
            yield path, (ROOT / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Each comment of a Python file with its line number."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
