"""The bound on all request bodies in work."""

import pytest

from aqueduct.errors import GatewayError
from aqueduct.server.body_budget import BodyBudget, BodyLease


def test_lease_beyond_the_budget_is_a_503_and_takes_nothing() -> None:
    budget = BodyBudget(100)
    first, second = BodyLease(budget), BodyLease(budget)
    first.take(60)

    with pytest.raises(GatewayError) as caught:
        second.take(41)

    assert (caught.value.status, caught.value.code) == (503, "gateway_overloaded")
    assert budget.used_bytes == 60


def test_lease_released_twice_gives_back_once() -> None:
    budget = BodyBudget(100)
    first, second = BodyLease(budget), BodyLease(budget)
    first.take(60)
    first.take(10)
    second.take(30)

    first.release()
    first.release()

    assert budget.used_bytes == 30
