"""The program that measures what limits cost runs on the ledger as it is."""

import pytest

from bench import admission_parts


def test_parts_of_an_admission_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_parts, "ROUNDS", 1)
    monkeypatch.setattr(admission_parts, "REQUESTS", 2)
    found = admission_parts.parts()
    assert min(found.held, found.headers, found.text) > 0
