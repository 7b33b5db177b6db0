"""Limits in the database."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.windows import slots_of

MakeLimit = Callable[..., Awaitable[Applied]]


@pytest.fixture
def make_limit(insert) -> MakeLimit:
    async def make(metric: str, amount: int, period: str | None, **more: object) -> Applied:
        org: UUID = await insert("orgs", slug=f"o{uuid4().hex[:8]}", name="O")
        mode = more.get("mode", "enforce")
        row = await insert("limits", org_id=org, metric=metric, amount=amount, period=period, mode=mode)
        slots = slots_of(period, calendar=False)
        return Applied(
            Limit(id=row, scope="org", name="o", metric=metric, amount=amount, window=period, slots=slots, mode=mode),
            org,
        )

    return make
