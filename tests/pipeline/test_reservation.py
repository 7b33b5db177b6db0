"""What a reservation holds over attempts and growing answers, on a ledger without a database. Traps 8 and 9."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError
from aqueduct.errors import GatewayError
from aqueduct.ids import RequestIds
from aqueduct.limits import reserved
from aqueduct.limits.batch import Answer, Line
from aqueduct.limits.counters import Counters
from aqueduct.limits.estimate import OPEN_OUTPUT, OutputLengths, open_output
from aqueduct.limits.held import Held, Take
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.price import micros
from aqueduct.limits.rules import MAX_AMOUNT, Applied, Limit
from aqueduct.limits.telling import limits_unavailable
from aqueduct.limits.windows import slots_of
from aqueduct.pipeline.attempt_log import note_failure
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.reservation import LimitReservation
from aqueduct.pipeline.spec import Units
from aqueduct.pipeline.worst_case import Rating, Size, amounts_of
from aqueduct.usage.pricing import Price, PriceList, cost
from schemas.usage import Usage

METRICS = ("requests", "input_tokens", "output_tokens", "total_tokens", "cost")
CHEAP = Deployment(id="cheap", model="m", provider="p", adapter="a", upstream_model="u")
DEAR = replace(CHEAP, id="dear")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def prices(pico: int) -> PriceList:
    return PriceList([Price("input", pico, LONG_AGO), Price("output", 2 * pico, LONG_AGO)])


class World:
    """Limits of one amount each, of which all is held."""

    def __init__(self, amount: int, metrics: Sequence[str] = METRICS) -> None:
        self.lengths = OutputLengths()
        self.replica = uuid4()
        self.ledger = Ledger(lambda: 0, ttl_ms=60_000, report_ms=1_000)
        self.ledger.take_up(self.ledger.prepare(), Answer(0, ()))
        self.accounts = {}
        lines = []
        for metric in metrics:
            limit = Limit(
                id=uuid4(), scope="org", name="o", metric=metric, amount=amount, window="total",
                slots=slots_of("total", calendar=False),
            )  # fmt: skip
            account = self.ledger.account(Applied(limit, uuid4()))
            self.accounts[metric] = account
            lines.append(Line(limit.id, account.member, False, amount, 0, 0, 0, 0, False, False))
        self.ledger.ask([Take(account, amount) for account in self.accounts.values()])
        self.ledger.take_up(self.ledger.prepare(), Answer(0, tuple(lines)))
        self.context = RequestContext(RequestIds()(), "/v1/chat/completions", "chat")
        self.context.price_lists = {"cheap": prices(1_000_000), "dear": prices(3_000_000)}

    async def more(self, takes: Sequence[Take], *, cuts: bool) -> tuple[Held, ...]:
        del cuts
        held = self.ledger.reserve(takes) or self.ledger.reserve(self.ledger.reduced(takes))
        if held is None:
            raise limits_unavailable()
        return held

    def settle(self, held: Sequence[Held], actual: Mapping[str, int], further: Sequence[Held]) -> None:
        self.ledger.settle(held, actual, further)

    def reservation(self, size: Size) -> LimitReservation:
        rating = Rating(self.context, CHEAP, size.prompt)
        cost = rating.cost(size.output)
        amounts = amounts_of(size, size.output, cost)
        takes = [Take(account, amounts[metric]) for metric, account in self.accounts.items()]
        held = self.ledger.reserve(takes)
        assert held is not None
        counters = Counters(list(self.accounts.values()), self.replica)
        return LimitReservation(self, counters, held, size, rating, self.context)

    def spent(self) -> dict[str, int]:
        return {metric: account.spent for metric, account in self.accounts.items()}


async def test_another_attempt_reserves_its_units_and_keeps_nothing_of_the_request_that_tells_them() -> None:
    world = World(10_000)
    per_query = Price("query", 700_000_000, LONG_AGO)
    world.context.price_lists = {"cheap": prices(1_000_000), "dear": PriceList([per_query])}
    reservation = world.reservation(Size(1, 100, 200, 200))
    request = object()
    before = sys.getrefcount(request)

    def units(_: object = request) -> Units:
        return Units(queries=2)

    await reservation.attempt(DEAR, lambda: 10, units)
    del units

    assert world.spent()["cost"] == 1_400
    assert sys.getrefcount(request) == before


async def test_another_attempt_reserves_what_the_failed_one_consumed_and_the_dearer_price() -> None:
    world = World(10_000)
    reservation = world.reservation(Size(1, 100, 200, 200))
    assert world.spent() == {
        "requests": 1, "input_tokens": 100, "output_tokens": 200, "total_tokens": 300, "cost": 500,
    }  # fmt: skip
    world.context.spent = Usage(prompt_tokens=100, completion_tokens=30)
    await reservation.attempt(DEAR, lambda: 10, Units)
    assert world.spent() == {
        "requests": 1, "input_tokens": 200, "output_tokens": 230, "total_tokens": 430, "cost": 1500,
    }  # fmt: skip
    reservation.settle(Usage(prompt_tokens=200, completion_tokens=130))
    assert world.spent() == {
        "requests": 1, "input_tokens": 200, "output_tokens": 130, "total_tokens": 330, "cost": 0,
    }  # fmt: skip
    assert world.ledger.overrun == 0


async def test_limit_whose_metric_is_changed_counts_by_the_new_one() -> None:
    world = World(10_000, ("input_tokens",))
    account = world.accounts["input_tokens"]
    changed = world.ledger.account(Applied(replace(account.limit, metric="output_tokens"), account.member))
    assert changed is not account
    assert changed.slack == 0, "credits of another metric are none"
    world.accounts = {changed.metric: changed}
    world.ledger.ask([Take(changed, 10_000)])
    line = Line(changed.limit.id, changed.member, False, 10_000, 0, 0, 0, 0, False, False)
    world.ledger.take_up(world.ledger.prepare(), Answer(0, (line,)))

    reservation = world.reservation(Size(1, 100, 200, 200))
    reservation.settle(Usage(prompt_tokens=90, completion_tokens=30))

    assert world.spent() == {"output_tokens": 30}


async def test_row_keeps_what_was_reserved_and_used_of_each_limit() -> None:
    world = World(10_000, ("requests", "total_tokens"))
    reservation = world.reservation(Size(1, 100, 200, 200))
    assert world.context.reservations is not None
    before = reserved.decode(world.context.reservations())
    assert before.replica == world.replica
    assert [(one.amount, one.reserved, one.used) for one in before.limits] == [(10_000, 1, None), (10_000, 300, None)]
    world.context.spent = Usage(prompt_tokens=50, completion_tokens=10)
    await reservation.attempt(CHEAP, lambda: 10, Units)
    reservation.settle(Usage(prompt_tokens=150, completion_tokens=170))
    after = reserved.decode(world.context.reservations())
    account = world.accounts["total_tokens"]
    assert {(one.limit, one.member) for one in after.limits[1:]} == {account.key}
    assert [(one.reserved, one.used) for one in after.limits] == [(1, 1), (300, 300), (60, 20)]


async def test_another_attempt_that_tokens_do_not_suffice_for_is_refused() -> None:
    world = World(500, ("requests", "total_tokens"))
    reservation = world.reservation(Size(1, 100, 200, 200))
    world.context.spent = Usage(prompt_tokens=100, completion_tokens=150)
    with pytest.raises(GatewayError):
        await reservation.attempt(CHEAP, lambda: 10, Units)
    reservation.settle(world.context.spent)
    assert world.spent()["total_tokens"] == 250


async def test_longer_prompt_of_another_attempt_is_reserved() -> None:
    world = World(10_000, ("input_tokens",))
    reservation = world.reservation(Size(1, 100, 200, 200))
    await reservation.attempt(CHEAP, lambda: 3_200, Units)
    assert world.spent() == {"input_tokens": 1_008}


async def test_open_output_of_another_attempt_shrinks_to_what_its_price_leaves() -> None:
    world = World(1_000, ("cost",))
    reservation = world.reservation(Size(1, 100, 400, 50, is_open=True))
    assert reservation.max_output == 400
    await reservation.attempt(DEAR, lambda: 10, Units)
    assert reservation.max_output == 116, "(1000 - 3 * 100) / 6"


async def test_longer_prompt_of_another_attempt_is_reserved_for_each_answer() -> None:
    world = World(10_000, ("input_tokens",))
    reservation = world.reservation(Size(1, 200, 200, 200, answers=2))
    await reservation.attempt(CHEAP, lambda: 3_200, Units)
    assert world.spent() == {"input_tokens": 2 * 1_008}


def failed(world: World, usage: Usage) -> None:
    """Note an attempt at the cheap deployment that consumed something, and no answer came of it."""
    context = world.context
    context.attempts, context.deployment_id = 1, CHEAP.id
    error = ProviderError(ErrorKind.SERVER_ERROR, "broken")
    error.usage = usage
    context.spent = context.with_spent(usage)
    note_failure(context, error)


async def test_what_a_failed_attempt_cost_is_reserved_beside_the_next_one() -> None:
    """Trap 8: else a budget would be exceeded by each failure that the provider charges."""
    world = World(10_000, ("cost",))
    reservation = world.reservation(Size(1, 100, 200, 200))
    failed(world, Usage(prompt_tokens=100, completion_tokens=30))
    await reservation.attempt(DEAR, lambda: 10, Units)
    assert world.spent() == {"cost": (100 + 2 * 30) + 3 * (100 + 2 * 200)}


@pytest.mark.parametrize(
    ("metric", "left"),
    [("cost", (1_000 - 160 - 300) // 6), ("total_tokens", 1_000 - 130 - 100), ("output_tokens", 1_000 - 30)],
)
async def test_open_output_of_another_attempt_shrinks_to_what_the_failed_one_has_left(metric: str, left: int) -> None:
    world = World(1_000, (metric,))
    reservation = world.reservation(Size(1, 100, 400, 50, is_open=True))
    failed(world, Usage(prompt_tokens=100, completion_tokens=30))
    await reservation.attempt(DEAR, lambda: 10, Units)
    assert await reservation.extend(left)
    assert not await reservation.extend(left + 1)


@pytest.mark.parametrize("metric", ["output_tokens", "total_tokens", "cost"])
async def test_answer_grows_until_nothing_is_left_and_never_beyond(metric: str) -> None:
    world = World(5_000, (metric,))
    reservation = world.reservation(Size(1, 100, 400, 50, is_open=True))
    output = 0
    while await reservation.extend(output + 37):
        output += 37
        assert reservation.max_output is not None
        assert reservation.max_output >= output
    assert world.spent()[metric] <= 5_000
    assert output > {"output_tokens": 4_900, "total_tokens": 4_800, "cost": 2_400}[metric]
    reservation.settle(Usage(prompt_tokens=100, completion_tokens=output))
    assert world.ledger.overrun == 0
    if metric != "cost":
        assert world.spent()[metric] == output + (100 if metric == "total_tokens" else 0)


async def test_bound_of_the_client_is_never_changed() -> None:
    world = World(5_000)
    reservation = world.reservation(Size(1, 100, 400, 400))
    assert reservation.max_output is None
    assert await reservation.extend(10_000)
    assert not reservation.narrow()


def test_narrow_lowers_the_bound_once() -> None:
    reservation = World(5_000).reservation(Size(1, 100, 400, 50, is_open=True))
    assert reservation.narrow()
    assert reservation.max_output == 50
    assert not reservation.narrow()


@given(st.integers(1, 50_000), st.none() | st.integers(1, 10**6), st.integers(-5, 10**9))
def test_open_output_is_within_the_cap_and_its_least_within_it(usual: int, cap: int | None, smallest: int) -> None:
    output, least = open_output(usual, cap, smallest)
    assert 1 <= least <= output
    assert output <= max(OPEN_OUTPUT, 4 * usual)
    assert cap is None or output <= cap


@given(
    st.builds(
        Units, images=st.integers(0, 50), recordings=st.integers(0, 5), queries=st.integers(0, 9),
        may_search=st.booleans(), asks_to_search=st.booleans(), has_more=st.booleans(), answers=st.integers(1, 8),
    ),
    st.sampled_from(["echo", "anthropic", "openai", "openai_compatible", "of_a_third_party"]),
    st.data(),
)  # fmt: skip
def test_no_usage_within_its_bounds_costs_more_than_was_reserved(
    units: Units, adapter: str, data: st.DataObject
) -> None:
    rates = {"input": 3, "output": 7, "image": 11, "second": 13, "query": 17, "request": 19}
    listed = PriceList([Price(meter, 10**6 * rate, LONG_AGO) for meter, rate in rates.items()])
    world = World(1)
    world.context.price_lists = {"d": listed}
    deployment = replace(CHEAP, id="d", adapter=adapter, max_queries=4, max_seconds=30)
    rating = Rating(world.context, deployment, 100, lambda: units)
    asked = {"echo": False, "anthropic": units.asks_to_search, "openai": units.asks_to_search or units.has_more}
    searches = units.may_search and asked.get(adapter, True)
    usage = Usage(
        prompt_tokens=data.draw(st.integers(0, 100)),
        completion_tokens=data.draw(st.integers(0, 50)),
        images=data.draw(st.integers(0, units.images * units.answers)),
        seconds=data.draw(st.integers(0, units.recordings * 30 * units.answers)),
        queries=data.draw(st.integers(0, (units.queries + 4 * searches) * units.answers)),
    )
    assert micros(cost(usage, listed, LONG_AGO) or 0) <= rating.cost(50)
    most = replace(
        usage, prompt_tokens=100, completion_tokens=50, images=units.images * units.answers,
        seconds=units.recordings * 30 * units.answers, queries=(units.queries + 4 * searches) * units.answers,
    )  # fmt: skip
    assert micros(cost(most, listed, LONG_AGO) or 0) == rating.cost(50), "and no more than the worst is reserved"


@given(st.integers(0, 10**6), st.integers(1, 10**9))
def test_affordable_output_never_costs_more_than_it_may(prompt: int, cost: int) -> None:
    rating = Rating(World(1).context, DEAR, prompt)
    output = rating.affordable(cost)
    if output >= 0:
        assert rating.cost(output) <= cost
        assert rating.cost(output + 1) > cost
    else:
        assert rating.cost(0) > cost


@pytest.mark.parametrize(
    ("usage", "spent"),
    [
        (Usage(prompt_tokens=-(2**53), completion_tokens=-5), (0, 0, 0)),
        (Usage(prompt_tokens=-7, completion_tokens=5), (0, 5, 5)),
        (Usage(prompt_tokens=2**52, completion_tokens=2**52), (MAX_AMOUNT, MAX_AMOUNT, MAX_AMOUNT)),
    ],
)
async def test_usage_that_no_answer_can_have_neither_gives_credit_nor_breaks_the_ledger(
    usage: Usage, spent: tuple[int, int, int]
) -> None:
    world = World(1_000)
    reservation = world.reservation(Size(1, 100, 50, 50))
    world.context.answered = world.context.usage = usage
    world.context.attempts, world.context.deployment_id = 1, "dear"
    reservation.settle(usage)
    found = tuple(world.accounts[name].spent for name in ("input_tokens", "output_tokens", "total_tokens"))
    assert found == spent
    assert 0 <= world.accounts["cost"].spent <= MAX_AMOUNT
    assert world.lengths.usual("m") >= 0
    assert reserved.decode(reservation.as_json()).limits[1].used == spent[0]


def test_usual_length_is_what_95_of_100_answers_stay_within() -> None:
    lengths = OutputLengths()
    for tokens in range(100, 0, -1):
        lengths.learn("m", tokens)
    assert lengths.usual("m") == 95
