"""Makes a test a row of the matrix: one run of it for every adapter."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest

from matrix.subjects import NAMES, SUBJECTS

TestT = TypeVar("TestT", bound=Callable[..., object])
MARK = "behaviour"


def behaviour(
    name: str,
    says: str,
    *,
    unsupported: Mapping[str, str] | None = None,
    failing: Mapping[str, str] | None = None,
) -> Callable[[TestT], TestT]:
    """Run the test for every adapter as the row `name`, which `says` what holds.

    `unsupported` gives, by adapter, why its provider has no such thing: there the test finds the reason in
    `talk.unsupported` and asserts what the gateway says to the client instead. `failing` names adapters that are known
    to fail, and why; the page shows them as failures, and a test that passes after all fails the run.
    """
    reasons = dict(unsupported or {})
    known = dict(failing or {})
    strangers = (reasons.keys() | known.keys()) - set(NAMES)
    if strangers:
        raise ValueError(f"{name}: there is no column for {sorted(strangers)}")
    parameters = [
        pytest.param(
            subject,
            id=subject.name,
            marks=[pytest.mark.xfail(reason=known[subject.name], strict=True)] if subject.name in known else [],
        )
        for subject in SUBJECTS
    ]

    def mark(test: TestT) -> TestT:
        marked = pytest.mark.parametrize("subject", parameters, indirect=True)(test)
        made: TestT = getattr(pytest.mark, MARK)(name, says, reasons)(pytest.mark.golden(marked))
        return made

    return mark
