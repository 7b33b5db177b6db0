"""What a caller's counters work out for each request."""

import random
from uuid import UUID, uuid4

import pytest

from aqueduct.limits import counters
from aqueduct.limits.account import Account
from aqueduct.limits.counters import Counters, KnownCounters
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.price import PICO_PER_MICRO, micros
from aqueduct.limits.rules import Applied, Limit, LimitSet
from aqueduct.limits.windows import slots_of


def test_budgets_are_charged_what_requests_cost_to_the_micro_unit_however_cheap_each_is():
    """Rounding each request up would charge one of 0.2 micro-units five times what it costs."""
    for dearest in (3, PICO_PER_MICRO // 5, 7 * PICO_PER_MICRO):
        counters, numbers = Counters([], uuid4()), random.Random(dearest)
        cost = charged = 0
        for _ in range(1_000):
            pico = numbers.randrange(dearest + 1)
            part = counters.charged(pico)
            assert 0 <= part <= -(-pico // PICO_PER_MICRO), "never more than was reserved"
            cost, charged = cost + pico, charged + part
            assert cost <= charged * PICO_PER_MICRO < cost + PICO_PER_MICRO


def _catalog(ids: list[UUID], members: list[UUID], version: int, amount: int) -> list[LimitSet]:
    slots = slots_of("minute", calendar=False)
    limits = [
        Limit(id=one, scope="org", name="o", metric="requests", amount=amount, window="minute", slots=slots)
        for one in ids
    ]
    return [LimitSet([Applied(limit, member) for limit in limits], version) for member in members]


def test_counters_of_all_callers_are_found_again_once_after_each_catalog() -> None:
    """However the callers come: one whose limits are new must not make all others be found again."""
    made: list[tuple[Applied, int]] = []

    class Watched(Ledger):
        def account(self, applied: Applied, version: int = 0) -> Account:
            made.append((applied, version))
            return super().account(applied, version)

    known = KnownCounters(Watched(lambda: 0, ttl_ms=60_000, report_ms=1_000), uuid4())
    ids, members = [uuid4(), uuid4()], [uuid4() for _ in range(50)]
    for version in (1, 2, 3):
        sets = _catalog(ids, members, version, amount=100 - version)
        made.clear()
        for _ in range(3):
            for one in sets:
                found = known.of(one.of("m"))
                assert found.smallest == {"requests": 100 - version}
                assert [account.limit for account in found.accounts] == [each.limit for each in one.applied]
        assert len(made) == len(ids) * len(members)
    assert len(known._found) == len(members), "those of former catalogs are forgotten"


def test_counters_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_KNOWN", 10)
    known = KnownCounters(Ledger(lambda: 0, ttl_ms=60_000, report_ms=1_000), uuid4())
    for one in _catalog([uuid4()], [uuid4() for _ in range(50)], 1, 5):
        known.of(one.of("m"))
    assert len(known._found) == 10


@pytest.mark.parametrize(("pico", "micro"), [(0, 0), (1, 1), (PICO_PER_MICRO, 1), (PICO_PER_MICRO + 1, 2)])
def test_reserved_cost_is_rounded_up(pico: int, micro: int) -> None:
    assert micros(pico) == micro
