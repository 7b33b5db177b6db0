"""Golden comparison can fail, and writes only when asked."""

from pathlib import Path

import pytest

from tests.golden import Golden


def test_golden_missing_file_fails_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="make golden"):
        Golden(tmp_path, write=False).check("a.json", "1\n")
    assert list(tmp_path.iterdir()) == []


def test_golden_written_file_passes_then_fails_with_a_diff(tmp_path: Path) -> None:
    Golden(tmp_path, write=True).check("deep/a.json", "one\n")
    Golden(tmp_path, write=False).check("deep/a.json", "one\n")
    with pytest.raises(AssertionError, match=r"-one\n\+two"):
        Golden(tmp_path, write=False).check("deep/a.json", "two\n")


def test_golden_fixture_looks_beside_the_test(golden: Golden) -> None:
    assert golden.folder == Path(__file__).parent / "golden"
