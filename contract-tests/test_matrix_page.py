"""The page of the matrix says what a run said and no more."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from matrix import behaviour
from matrix.page import Outcome, as_json, markdown
from matrix.plugin import Matrix
from matrix.subjects import NAMES


def outcome(**fields: str) -> Outcome:
    given = {"behaviour": "text.a", "says": "Holds", "subject": "openai", "result": "pass", "test": "t.py::t[openai]"}
    return Outcome(**{**given, **fields})


def report(nodeid: str, outcome: str, when: str = "call", **fields: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=nodeid, location=("", 0, ""), keywords={}, outcome=outcome, longrepr=None, when=when, **fields
    )


def test_page_has_every_result_and_the_reasons_as_footnotes() -> None:
    page = markdown(
        [
            outcome(),
            outcome(subject="google", result="unsupported", reason="It has none."),
            outcome(subject="cohere", result="fail", test="t.py::t[cohere]", reason="known"),
        ]
    )

    assert "1 behaviours" in page
    assert "1 hold, 1 do not exist at the provider, 1 fail." in page
    assert "| Holds (`text.a`) | yes |" in page
    assert "1. It has none." in page
    assert "2. `t.py::t[cohere]`: known" in page


def test_json_has_the_same() -> None:
    document = json.loads(as_json([outcome(), outcome(subject="google", result="unsupported", reason="It has none.")]))

    assert tuple(document["adapters"]) == NAMES
    (row,) = document["behaviours"]
    assert row["results"] == {
        "openai": {"result": "pass"},
        "google": {"result": "unsupported", "reason": "It has none."},
    }
    assert row["test"] == "t.py::t"


def test_behaviour_of_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="no groups"):
        markdown([outcome(behaviour="magic.a")])


def test_behaviour_with_a_reason_for_an_unknown_adapter_is_refused() -> None:
    with pytest.raises(ValueError, match="no column"):
        behaviour("text.a", "Holds", unsupported={"nobody": "x"})


@pytest.mark.parametrize(
    ("reports", "reason", "result"),
    [
        ([("passed", "call")], None, "pass"),
        ([("passed", "call")], "It has none.", "unsupported"),
        ([("failed", "call")], "It has none.", "fail"),
        ([("skipped", "call")], None, "fail"),
        ([("passed", "call"), ("failed", "teardown")], None, "fail"),
        ([("failed", "setup")], None, "fail"),
    ],
)
def test_result_is_what_the_reports_say(
    tmp_path: Path, reports: list[tuple[str, str]], reason: str | None, result: str
) -> None:
    matrix = Matrix(tmp_path, write=False)
    matrix._cells["t[openai]"] = ("text.a", "Holds", "openai", reason)
    for outcome, when in reports:
        matrix.pytest_runtest_logreport(report("t[openai]", outcome, when))

    assert [one.result for one in matrix.outcomes()] == [result]


def test_run_of_a_part_neither_judges_nor_writes_the_page(tmp_path: Path) -> None:
    matrix = Matrix(tmp_path, write=True)
    matrix._cells["t[openai]"] = ("text.a", "Holds", "openai", None)
    matrix.pytest_runtest_logreport(report("t[openai]", "passed"))
    session = SimpleNamespace(exitstatus=0)

    matrix.pytest_sessionfinish(session)

    assert (list(tmp_path.iterdir()), session.exitstatus) == ([], 0)


@pytest.mark.parametrize("write", [False, True])
def test_run_of_everything_fails_on_a_page_that_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, write: bool
) -> None:
    monkeypatch.setattr(Matrix, "is_whole", True)
    matrix = Matrix(tmp_path, write=write)
    matrix._cells["t[openai]"] = ("text.a", "Holds", "openai", None)
    matrix.pytest_runtest_logreport(report("t[openai]", "passed"))
    session = SimpleNamespace(exitstatus=0)

    matrix.pytest_sessionfinish(session)

    assert bool(session.exitstatus) is not write
    assert len(list(tmp_path.iterdir())) == (2 if write else 0)
