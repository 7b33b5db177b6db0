"""A suppressed finding names its code and its reason, in the configuration and in the code."""

import re

import pytest

from tests.repo.checkout import PACKAGES, ROOT, comments, tracked_files

MARKER = re.compile(r"#\s*(?:type:\s*ignore|pyright:\s*ignore|noqa|ruff:\s*noqa|mypy:)", re.IGNORECASE)
CODED = re.compile(
    r"#\s*(?:(?:type|pyright):\s*ignore\[(?P<types>[\w, -]+)\]"
    r"|noqa:\s*(?P<lint>[A-Z]+\d+(?:,\s*[A-Z]+\d+)*))(?P<rest>.*)"
)
WORD = re.compile(r"[^\W\d_]{3,}")
REASON = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}")


def problem(comment: str, *, reason_needed: bool) -> str | None:
    """Say what a comment lacks, or None if it suppresses nothing or does so properly."""
    if not MARKER.search(comment):
        return None
    coded = CODED.search(comment)
    if coded is None:
        return "no code"
    if reason_needed and not WORD.search(coded["rest"]):
        return "no reason on the same line"
    return None


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# an ordinary remark", None),
        ("# type: " + "ignore", "no code"),
        ("# no" + "qa", "no code"),
        ("# no" + "qa: BLE001", "no reason on the same line"),
        ("# no" + "qa: BLE001 - the attempt boundary counts it", None),
        ("# type: " + "ignore[override]  # the base is untyped", None),
        ("# pyright: " + "ignore[reportUnknownMemberType]", "no reason on the same line"),
    ],
)
def test_problem_comment_is_judged(comment: str, expected: str | None) -> None:
    assert problem(comment, reason_needed=True) == expected


def test_suppressions_in_code_carry_a_code_and_in_packages_a_reason() -> None:
    found = [
        f"{path}:{line}: {lack}"
        for path in tracked_files()
        if path.suffix == ".py"
        for line, comment in comments((ROOT / path).read_text("utf-8"))
        if (lack := problem(comment, reason_needed=path.parts[0] in PACKAGES))
    ]
    assert found == []


def test_every_ignored_ruff_rule_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.flake8")]
    rules = [line for line in section.splitlines() if re.search(r'"[A-Z]{1,4}\d*"', line) and "select" not in line]
    assert len(rules) > 10
    assert [line for line in rules if not REASON.search(line.partition("#")[2])] == []
