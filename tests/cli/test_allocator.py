"""The allocator of the gateway's process: one that returns memory, where nobody has chosen another."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aqueduct.cli import allocator

PROGRAM = """
import json, os, sys
from pathlib import Path
from aqueduct.cli import allocator
allocator.folders = lambda: (Path("/nowhere"), Path(sys.argv[1]))
allocator.exec_with_returning_allocator()
print(json.dumps({name: os.environ.get(name) for name in allocator.CHOSEN_BY} | {"argv": sys.argv[1:]}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with a library that does nothing but can be found: the C library once more."""
    loaded = Path("/proc/self/maps").read_text().split()
    c_library = next(word for word in loaded if word.endswith("/libc.so.6"))
    (tmp_path / allocator.LIBRARY).symlink_to(c_library)
    return str(tmp_path)


def chosen(*arguments: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, *arguments), env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_process_is_replaced_once_by_itself_with_the_library(folder: str) -> None:
    library = f"{folder}/{allocator.LIBRARY}"
    assert chosen(folder, "serve") == {"LD_PRELOAD": library, "PYTHONMALLOC": "malloc", "argv": [folder, "serve"]}


@pytest.mark.parametrize(("name", "value"), [("LD_PRELOAD", ""), ("PYTHONMALLOC", "pymalloc")])
def test_choice_of_the_operator_stands(folder: str, name: str, value: str) -> None:
    found = chosen(folder, **{name: value})
    assert {one: found[one] for one in allocator.CHOSEN_BY} == {**dict.fromkeys(allocator.CHOSEN_BY), name: value}


def test_without_the_library_the_c_librarys_own_is_used() -> None:
    assert chosen("/nowhere/else", "serve") == {
        "LD_PRELOAD": None,
        "PYTHONMALLOC": "malloc",
        "argv": ["/nowhere/else", "serve"],
    }


def test_a_c_library_of_unknown_manners_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of Alpine gives nothing back when asked, and is slow: CPython's allocator is better there."""
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert allocator.choose(None) == {}


def test_libraries_are_looked_for_where_this_systems_own_are() -> None:
    assert any(folder.is_dir() for folder in allocator.folders())
