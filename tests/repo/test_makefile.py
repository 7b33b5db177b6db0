"""The Makefile explains itself and holds the documented targets; CI stands on it."""

import os
import re
import subprocess
from pathlib import Path

from tests.repo.checkout import ROOT

DOCUMENTED = {
    "help", "install", "run", "soak", "test", "check", "fmt", "lint", "types", "contract", "golden", "migrate",
    "bench",
    "clients", "lock", "clean",
}  # fmt: skip


def test_make_help_lists_every_documented_target() -> None:
    run = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    assert set(re.findall(r"^\s+\x1b\[1m(\S+)\s*\x1b\[0m \S", run.stdout, re.MULTILINE)) == DOCUMENTED


def test_phony_targets_are_exactly_the_documented_ones() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    assert set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE)) == DOCUMENTED


def test_ci_without_recordings_fails_before_it_installs_anything(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    run = subprocess.run(
        [ROOT / ".ci" / "run"],
        env={**os.environ, "AQUEDUCT_RECORDINGS": str(missing)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert str(missing) in run.stderr
    assert run.stdout == ""
