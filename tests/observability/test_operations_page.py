"""`docs/operations.md` names every metric with its labels, every field of the log, every error type, and no others."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from aqueduct.errors import ErrorType
from aqueduct.observability.metrics import Metrics
from aqueduct.observability.request_log import RequestLine

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def first_cells(title: str) -> list[str]:
    """The words in code in the first column of the table with this title."""
    table = PAGE.split(f"| {title} | meaning |\n|---|---|\n")[1].split("\n\n")[0]
    return [word for row in table.splitlines() for word in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_page_names_every_field_of_the_log() -> None:
    assert sorted(first_cells("field")) == sorted(RequestLine.__struct_fields__)


def test_page_names_every_error_type() -> None:
    assert first_cells("error type") == [kind.value for kind in ErrorType]


def test_page_names_every_metric_with_its_labels() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    named = {
        f"{family.name}_total" if family.type == "counter" else family.name: ",".join(vars(family)["_labelnames"])
        for family in registry.collect()
    }

    assert {
        name: labels.rstrip("}") for name, _, labels in (cell.partition("{") for cell in first_cells("metric"))
    } == named
