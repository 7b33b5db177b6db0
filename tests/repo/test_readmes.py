"""The README of a folder of code names every module in it, so that a newcomer finds the right one."""

import re
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT

FOLDERS = sorted(path.parent for top in ("aqueduct", "adapters") for path in (ROOT / top).rglob("README.md"))
ELSEWHERE = {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("folder", FOLDERS, ids=[str(folder.relative_to(ROOT)) for folder in FOLDERS])
def test_readme_of_a_folder_names_its_modules_and_no_others(folder: Path) -> None:
    tables = "".join(
        line for line in (folder / "README.md").read_text().splitlines(keepends=True) if line.startswith("|")
    )
    named = set(re.findall(r"`(\w+\.py)`", tables))
    modules = {path.name for path in folder.glob("*.py")} - ELSEWHERE
    assert named == modules
