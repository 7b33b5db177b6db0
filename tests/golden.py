"""Comparison of text with golden files that are read in review; it must not know what the text is."""

import difflib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Golden:
    """A folder of golden files; `write` makes every check store what it was given."""

    folder: Path
    write: bool

    def check(self, name: str, actual: str) -> None:
        """Fail with a diff unless the file `name` holds exactly `actual`."""
        path = self.folder / name
        if self.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual, "utf-8")
            return
        if not path.is_file():
            raise AssertionError(f"no golden file {path}; write it with `make golden` and read it")
        expected = path.read_text("utf-8")
        if actual != expected:
            diff = difflib.unified_diff(expected.splitlines(), actual.splitlines(), str(path), "this run", lineterm="")
            raise AssertionError("\n".join(["differs from its golden file; `make golden` if that is meant", *diff]))
