"""Collects what a run says of the behaviours, and holds the checked-in page to it; `make golden` writes the page."""

import os
from pathlib import Path

import pytest
from upstreams.recordings import ROOT

from matrix.behaviours import MARK
from matrix.page import Outcome, Result, as_json, markdown

TESTS = "test_conformance_*.py"
PAGES = {"conformance.md": markdown, "conformance.json": as_json}


class Matrix:
    """What was collected and what came of it."""

    def __init__(self, docs: Path, *, write: bool) -> None:
        self._docs = docs
        self._write = write
        self._cells: dict[str, tuple[str, str, str, str | None]] = {}
        self._results: dict[str, tuple[Result, str | None]] = {}
        self._modules: set[str] = set()
        self._problems: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note every cell before some of them are left out."""
        for item in items:
            mark = item.get_closest_marker(MARK)
            if mark is not None and isinstance(item, pytest.Function):
                name, says, reasons = mark.args
                subject = item.callspec.params["subject"].name
                self._cells[item.nodeid] = (name, says, subject, reasons.get(subject))
                self._modules.add(item.path.name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came of a cell; a failure before or after the test is one too."""
        if report.nodeid not in self._cells:
            return
        if report.failed:
            self._results[report.nodeid] = ("fail", None)
        elif report.skipped:
            self._results[report.nodeid] = ("fail", getattr(report, "wasxfail", "skipped"))
        elif report.when == "call":
            reason = self._cells[report.nodeid][3]
            self._results[report.nodeid] = ("pass" if reason is None else "unsupported", reason)

    def outcomes(self) -> list[Outcome]:
        """Every cell that was run, in the order of the tests."""
        return [
            Outcome(
                behaviour=name, says=says, subject=subject, result=self._results[test][0], test=test,
                reason=self._results[test][1],
            )
            for test, (name, says, subject, _) in self._cells.items()
            if test in self._results
        ]  # fmt: skip

    @property
    def is_whole(self) -> bool:
        """Whether every behaviour was run for every adapter."""
        on_disk = {path.name for path in (ROOT / "contract-tests").glob(TESTS)}
        return bool(self._cells) and self._modules == on_disk and self._results.keys() == self._cells.keys()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare or write the page; a run that lacks something says nothing of it."""
        if not self.is_whole:
            return
        for name, write in PAGES.items():
            text, path = write(self.outcomes()), self._docs / name
            if self._write:
                path.write_text(text, "utf-8")
            elif not path.is_file() or path.read_text("utf-8") != text:
                self._problems.append(f"docs/{name} does not say what this run says; `make golden`, and read the diff")
        if self._problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the page was held to."""
        found = self.outcomes()
        if found:
            terminalreporter.section("conformance")
            counts = [sum(one.result == kind for one in found) for kind in ("pass", "unsupported", "fail")]
            terminalreporter.write_line("{} hold, {} do not exist at the provider, {} fail".format(*counts))
        for problem in self._problems:
            terminalreporter.write_line(problem, red=True)


def matrix() -> Matrix:
    """The matrix of this run."""
    return Matrix(ROOT / "docs", write=os.environ.get("AQUEDUCT_GOLDEN") == "write")
