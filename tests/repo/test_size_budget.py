"""The size budgets can fail: each limit is tried from both sides on synthetic files."""

from pathlib import Path

import pytest

from tools import size_budget


def write_module(folder: Path, lines: int) -> Path:
    path = folder / "module.py"
    path.write_text("x = 1\n" * lines, "utf-8")
    return path


def write_function(folder: Path, lines: int, head: str = "def long():") -> Path:
    path = folder / "function.py"
    path.write_text(head + "\n" + "    x = 1\n" * (lines - 1), "utf-8")
    return path


def test_size_budget_module_above_limit_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_module(tmp_path, 601)
    assert size_budget.main([str(path)]) == 1
    assert capsys.readouterr().out == f"{path}:1: module has 601 lines (limit 600)\n"


def test_size_budget_module_at_limit_is_named_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_module(tmp_path, 600)
    assert size_budget.main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}:1: module has 600 lines (smell above 400)\n"


def test_size_budget_module_below_smell_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert size_budget.main([str(write_module(tmp_path, 400))]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("head", ["def long():", "async def long():"])
@pytest.mark.parametrize(("lines", "status"), [(60, 0), (61, 1)])
def test_size_budget_function_fails_above_sixty_lines(tmp_path: Path, head: str, lines: int, status: int) -> None:
    assert size_budget.main([str(write_function(tmp_path, lines, head))]) == status


def test_size_budget_long_method_is_found_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "method.py"
    path.write_text("class C:\n    def long(self):\n" + "        x = 1\n" * 60, "utf-8")
    assert size_budget.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{path}:2: function long has 61 lines (limit 60)\n"
