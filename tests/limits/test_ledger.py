"""One replica's ledger, with answers of the database that the test makes up."""

from uuid import uuid4

import msgspec
import pytest

from aqueduct.limits.ledger import Answer, Batch, Ledger, Line, Take
from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.windows import slots_of


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger(lambda: 1_000, ttl_ms=60_000, report_ms=1_000)
    made.take_up(made.prepare(), Answer(0, ()))
    return made


@pytest.fixture
def applied() -> Applied:
    limit = Limit(
        id=uuid4(), scope="org", name="o", metric="requests", amount=1_000, window="hour",
        slots=slots_of("hour", calendar=False),
    )  # fmt: skip
    return Applied(limit, uuid4())


def _answer(batch: Batch, applied: Applied, *, held: int, used: int, others: int = 0) -> Answer:
    line = Line(applied.limit.id, applied.member, False, held, used, others, 0, 0, False, False)
    assert [item.limit for item in batch.items] == [applied.limit.id]
    return Answer(0, (line,))


def test_credits_that_a_lowered_limit_has_no_room_for_go_back_although_they_are_in_demand(ledger, applied):
    account = ledger.account(applied)
    ledger.ask([Take(account, 1)])
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=300, used=0))
    for _ in range(200):
        assert ledger.reserve([Take(account, 1)])
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=100, used=200))
    assert ledger.reserve([Take(account, 1)])
    assert ledger.prepare().items[0].give == 0, "they are in demand"
    lowered = Applied(msgspec.structs.replace(applied.limit, amount=250), applied.member)
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=99, used=201))
    assert ledger.account(lowered) is account
    assert ledger.reserve([Take(account, 1)])
    batch = ledger.prepare()
    assert batch.items[0].give == 50, "98 are idle, and there is room for 48"
    ledger.take_up(batch, _answer(batch, applied, held=48, used=202))
    assert ledger.reserve([Take(account, 49)]) is None
