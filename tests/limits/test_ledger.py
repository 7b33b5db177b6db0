"""One replica's ledger, with answers of the database that the test makes up."""

from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from aqueduct.limits.account import Account
from aqueduct.limits.batch import MAX_ITEMS, Answer, Batch, Item, Line
from aqueduct.limits.held import Take
from aqueduct.limits.ledger import CALL_AGAIN_MS, IDLE_MS, MAX_LOOKED, REFUSED_MS, Ledger
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


def _answer(batch: Batch, applied: Applied, *, held: int, used: int, others: int = 0, at: int = 0) -> Answer:
    line = Line(applied.limit.id, applied.member, False, held, used, others, 0, 0, False, False)
    assert [item.limit for item in batch.items] == [applied.limit.id]
    return Answer(at, (line,))


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
    lowered = Applied(replace(applied.limit, amount=250), applied.member)
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=99, used=201))
    assert ledger.account(lowered) is account
    assert ledger.reserve([Take(account, 1)])
    batch = ledger.prepare()
    assert batch.items[0].give == 50, "98 are idle, and there is room for 48"
    ledger.take_up(batch, _answer(batch, applied, held=48, used=202))
    assert ledger.reserve([Take(account, 49)]) is None


def _hold(ledger: Ledger, applied: Applied, held: int, version: int = 0) -> Account:
    account = ledger.account(applied, version)
    ledger.ask([Take(account, 1)])
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=held, used=0))
    assert account.slack == held
    return account


@pytest.mark.parametrize("metrics", [("requests", "concurrency"), ("concurrency", "requests"), ("requests", "cost")])
def test_limit_whose_metric_is_edited_begins_with_a_counter_of_its_own(ledger, applied, metrics):
    first, second = (Applied(replace(applied.limit, metric=metric), applied.member) for metric in metrics)
    former = _hold(ledger, first, 10, version=1)
    held = ledger.reserve([Take(former, 4)])
    unanswered = ledger.prepare()
    account = ledger.account(second, 2)
    assert account is not former
    assert (account.is_concurrency, account.slack) == (metrics[1] == "concurrency", 0)
    ledger.take_up(unanswered, _answer(unanswered, applied, held=6, used=4))
    assert account.slack == 0, "the answer is about the former counter"
    ledger.settle(held, {metrics[0]: 1})
    batch = ledger.prepare()
    assert batch.items == (), "nobody is told what was counted in another unit"
    ledger.take_up(batch, Answer(0, ()))
    assert _hold(ledger, second, 7, version=2) is account


def test_limit_of_an_earlier_catalog_does_not_come_back(ledger, applied):
    account = ledger.account(applied, 2)
    shadowed = Applied(replace(applied.limit, mode="shadow", amount=7), applied.member)
    assert ledger.account(shadowed, 1) is account
    assert (account.limit, account.is_enforced) == (applied.limit, True)
    assert ledger.account(shadowed, 3) is account
    assert (account.limit.amount, account.is_enforced) == (7, False)
    counted = Applied(replace(applied.limit, metric="cost"), applied.member)
    assert ledger.account(counted, 2) is account
    assert account.metric == "requests"


def _idle(ledger: Ledger, applied: Applied, clock: list[int], used: int) -> None:
    """Let time pass until the counter is dropped."""
    for _ in range(5):
        clock[0] += IDLE_MS
        batch = ledger.prepare()
        answer = _answer(batch, applied, held=0, used=used, at=clock[0]) if batch.items else Answer(clock[0], ())
        ledger.take_up(batch, answer)
    assert ledger.size == 0


def test_counter_that_was_dropped_is_the_same_one_when_it_is_used_again(applied):
    clock = [1_000]
    ledger = Ledger(lambda: clock[0], ttl_ms=10**9, report_ms=1_000)
    ledger.take_up(ledger.prepare(), Answer(clock[0], ()))
    account = _hold(ledger, applied, 4)
    _idle(ledger, applied, clock, 0)
    assert ledger.reserve([Take(account, 1)]) is None
    ledger.ask([Take(account, 1)])
    batch = ledger.prepare()
    assert [item.known for item in batch.items] == [False]
    ledger.take_up(batch, _answer(batch, applied, held=1, used=0))
    assert ledger.reserve([Take(account, 1)]) is not None
    assert ledger.account(applied) is account


def test_settlement_of_a_dropped_counter_is_reported(applied):
    clock = [1_000]
    ledger = Ledger(lambda: clock[0], ttl_ms=10**9, report_ms=1_000)
    ledger.take_up(ledger.prepare(), Answer(clock[0], ()))
    account = _hold(ledger, applied, 4)
    held = ledger.reserve([Take(account, 4)])
    assert held is not None
    _idle(ledger, applied, clock, 4)
    ledger.settle(held, {"requests": 1})
    batch = ledger.prepare()
    assert [delta for item in batch.items for _, delta in item.deltas] == [-3]


def test_every_counter_is_reported_however_many_are_in_use(ledger: Ledger, applied: Applied) -> None:
    """Those that are always in use must not keep the others from their turn."""
    accounts = [ledger.account(Applied(applied.limit, uuid4())) for _ in range(2 * MAX_ITEMS + 1)]
    ledger.take([Take(account, 1) for account in accounts])
    reported: set[UUID] = set()
    for _ in range(3):
        ledger.take([Take(account, 1) for account in accounts[:MAX_ITEMS]])
        batch = ledger.prepare()
        reported.update(item.member for item in batch.items)
        lines = tuple(Line(one.limit, one.member, False, 0, 1, 0, 0, 0, False, False) for one in batch.items)
        ledger.take_up(batch, Answer(0, lines))
        assert ledger.has_more is (len(batch.items) == MAX_ITEMS)
    assert reported == {account.member for account in accounts}


def test_what_was_reported_and_not_used_can_be_spent_once_the_database_has_it_back(
    ledger: Ledger, applied: Applied
) -> None:
    """Its slot may have passed, and others may hold it since: settled late, it would be spent twice."""
    account = _hold(ledger, applied, 900)
    held = ledger.reserve([Take(account, 900)])
    assert held is not None
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=0, used=900))
    ledger.settle(held, {"requests": 7})
    assert account.slack == 0
    assert ledger.reserve([Take(account, 1)]) is None
    batch = ledger.prepare()
    assert batch.items[0].deltas == ((held[0].slot, -893),)
    ledger.take_up(batch, _answer(batch, applied, held=0, used=7))
    assert account.slack == 0, "it went to the database, not to this replica"


def test_what_is_spent_while_a_batch_is_under_way_is_not_spent_again_when_it_is_answered(
    ledger: Ledger, applied: Applied
) -> None:
    account = _hold(ledger, applied, 10)
    assert ledger.reserve([Take(account, 4)])
    batch = ledger.prepare()
    kept = account.slack
    assert kept > 3
    assert ledger.reserve([Take(account, 3)])
    ledger.take_up(batch, _answer(batch, applied, held=kept, used=4))
    assert (account.slack, sum(account.pending.values())) == (kept - 3, 3)
    assert ledger.reserve([Take(account, kept - 2)]) is None


@pytest.mark.parametrize("is_tight", [True, False])
def test_settlement_of_a_limit_that_is_nearly_used_up_is_to_be_reported_at_once(
    ledger: Ledger, applied: Applied, is_tight: bool
) -> None:
    account = _hold(ledger, applied, 10)
    held, other = ledger.reserve([Take(account, 3)]), ledger.reserve([Take(account, 3)])
    assert held is not None
    assert other is not None
    batch = ledger.prepare()
    ledger.take_up(batch, Answer(0, (replace(_answer(batch, applied, held=2, used=6).lines[0], tight=is_tight),)))
    assert ledger.settle(held, {"requests": 1}) is is_tight
    assert ledger.settle(other, {"requests": 3}) is False, "nothing of it comes back"


def test_lease_is_spent_for_four_fifths_of_its_time_from_when_it_was_asked_for(applied: Applied) -> None:
    """How long the answer was under way is not known: the database may have counted from the sending."""
    now = 0
    ledger = Ledger(lambda: now, ttl_ms=10_000, report_ms=1_000)
    ledger.take_up(ledger.prepare(), Answer(0, ()))
    account = ledger.account(applied)
    ledger.ask([Take(account, 5)])
    batch = ledger.prepare()
    now = 3_000
    ledger.take_up(batch, _answer(batch, applied, held=5, used=0))
    now = 7_999
    assert ledger.reserve([Take(account, 1)])
    now = 8_000
    assert ledger.reserve([Take(account, 1)]) is None


def test_overrun_is_what_settlements_took_beyond_their_reservations(ledger: Ledger, applied: Applied) -> None:
    account = _hold(ledger, applied, 100)
    for reserved, used in ((10, 13), (10, 10), (10, 4), (20, 25)):
        held = ledger.reserve([Take(account, reserved)])
        assert held is not None
        ledger.settle(held, {"requests": used})
    assert ledger.overrun == 3 + 5
    assert sum(account.pending.values()) == 13 + 10 + 4 + 25


@pytest.mark.parametrize("back_ms", [900, 3_600_000])
def test_refusal_is_not_repeated_longer_where_the_database_s_clock_is_set_back(applied, back_ms):
    """Also where an answer that took long was only thought to tell a later time."""
    clock = [10_000_000]
    ledger = Ledger(lambda: clock[0], ttl_ms=60_000, report_ms=1_000)
    ledger.take_up(ledger.prepare(), Answer(clock[0] + back_ms, ()))
    account = ledger.account(applied)
    takes = [Take(account, 1)]
    ledger.ask(takes)
    batch = ledger.prepare()
    line = Line(applied.limit.id, applied.member, False, 0, 1_000, 0, clock[0] + 7_200_000, 0, True, True)
    ledger.take_up(batch, Answer(clock[0] + back_ms, (line,)))
    assert ledger.refusal(takes) is account
    clock[0] += 50
    ledger.peek([account])
    batch = ledger.prepare()
    ledger.take_up(batch, _answer(batch, applied, held=0, used=900, at=clock[0]))
    clock[0] += REFUSED_MS

    assert ledger.refusal(takes) is None, "the database is asked again"


def test_credits_of_others_are_waited_for_no_longer_where_the_database_s_clock_is_set_back(applied):
    clock = [10_000_000]
    ledger = Ledger(lambda: clock[0], ttl_ms=60_000, report_ms=1_000)
    ledger.take_up(ledger.prepare(), Answer(clock[0] + 3_600_000, ()))
    account = ledger.account(applied)
    account.others = 5
    takes = [Take(account, 1)]
    assert ledger.expects(takes)
    assert ledger.calls() == (account.key,)
    ledger.take_up(ledger.prepare(), Answer(clock[0], ()))
    clock[0] += CALL_AGAIN_MS

    assert ledger.expects(takes)
    assert ledger.calls() == (account.key,), "they are called again"


def test_batch_looks_at_a_bounded_number_of_counters_and_the_next_ones_at_the_rest(
    ledger: Ledger, applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes 3 us, in which nothing else is served; most counters have nothing to tell."""
    accounts = [ledger.account(Applied(applied.limit, uuid4())) for _ in range(2 * MAX_LOOKED + 1)]
    ledger.take([Take(account, 0) for account in accounts])
    last = accounts[-1]
    ledger.take([Take(last, 1)])
    looked: list[Account] = []
    item = Ledger._item

    def look(self: Ledger, account: Account, now: int) -> Item | None:
        looked.append(account)
        return item(self, account, now)

    monkeypatch.setattr(Ledger, "_item", look)
    told: list[UUID] = []
    rounds: list[tuple[int, bool]] = []
    for _ in range(4):
        looked.clear()
        batch = ledger.prepare()
        told += [one.member for one in batch.items]
        rounds.append((len(looked), ledger.has_more))
        ledger.take_up(batch, Answer(0, ()))
    assert rounds[:3] == [(MAX_LOOKED, True), (MAX_LOOKED, True), (MAX_LOOKED, False)], "the third ends the round"
    assert told == [last.member], "its turn came, once"
    assert rounds[3] == (MAX_LOOKED, True), "a new round"
