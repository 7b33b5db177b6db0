"""Rows of usage that tests write."""

from datetime import UTC, datetime

from aqueduct.ids import RequestIds
from aqueduct.usage.segments import Cell

new_id = RequestIds()


def request_cells(**values: Cell) -> dict[str, Cell]:
    """A request that has just been answered, by column; `values` come on top."""
    return {
        "id": new_id(),
        "started_at": datetime.now(UTC),
        "duration_ms": 5,
        "endpoint": "/v1/chat/completions",
        "operation": "chat",
        "streamed": False,
        "status": 200,
        "attempts": 1,
        "violations": [],
        "dropped_params": [],
        **values,
    }
