"""Says at the end of a run how many recordings passed, failed and do not apply, and why; knows no adapter."""

from collections import Counter

import pytest
from upstreams import claims, recordings

REPLAY = "replay"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the report of each replaying test name its recording."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker(REPLAY) is not None:
            parameters = item.callspec.params
            played = parameters.get("recording") or parameters["lane"].recording
            item.user_properties.append((REPLAY, played.name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the count, where recordings were replayed at all."""
    outcomes = outcomes_of(terminalreporter)
    if not outcomes:
        return
    failed = sorted(name for name, passed in outcomes.items() if not passed)
    others = Counter(recording.api for recording in recordings() if recording.api in claims.UNCLAIMED)
    terminalreporter.section("recordings")
    terminalreporter.write_line(
        f"{len(outcomes) - len(failed)} passed, {len(failed)} failed, {sum(others.values())} do not apply"
    )
    for name in failed:
        terminalreporter.write_line(f"failed: {name}")
    for api, count in sorted(others.items()):
        terminalreporter.write_line(f"does not apply: {count:3} {api}: {claims.UNCLAIMED[api]}")


def outcomes_of(terminalreporter: pytest.TerminalReporter) -> dict[str, bool]:
    """Whether each replayed recording passed, in every way in which it was replayed."""
    outcomes: dict[str, bool] = {}
    for category in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(category):
            for name, value in getattr(report, "user_properties", ()):
                if name == REPLAY and (report.when == "call" or category != "passed"):
                    outcomes[str(value)] = outcomes.get(str(value), True) and category == "passed"
    return outcomes
