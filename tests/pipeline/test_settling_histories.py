"""Whatever attempts do and wherever the client leaves: one settlement, the sum of the attempts, and their cost."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import ErrorKind, ProviderError
from aqueduct.errors import GatewayError
from aqueduct.pipeline.attempt_log import attempts_of, note_cost
from aqueduct.usage.pricing import Price, PriceList
from schemas.usage import Usage
from tests.pipeline.drivers import Adapter, Run, Stream

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PRICES = PriceList([Price("input", 3, LONG_AGO), Price("output", 7, LONG_AGO), Price("query", 11, LONG_AGO)])
COUNTERS = ("prompt_tokens", "completion_tokens", "queries")
USAGES = st.none() | st.builds(
    Usage,
    prompt_tokens=st.none() | st.integers(0, 50),
    completion_tokens=st.none() | st.integers(0, 50),
    queries=st.none() | st.integers(0, 3),
)
FAULTS = st.sampled_from([ErrorKind.SERVER_ERROR, ErrorKind.INVALID_REQUEST, ErrorKind.RATE_LIMIT])


class Step:
    """One attempt: some passes of the loop, then its end; of a stream, some after it has opened."""

    def __init__(self, kind: str, fault: ErrorKind, usage: Usage | None, passes: int) -> None:
        self.kind, self.fault, self.usage, self.passes = kind, fault, usage, passes

    def __repr__(self) -> str:
        return f"{self.kind} {self.fault.value} {self.usage} {self.passes}"

    async def pause(self) -> None:
        for _ in range(self.passes):
            await asyncio.sleep(0)

    def failure(self) -> ProviderError:
        error = ProviderError(self.fault, "no", retry_after_s=0.0)
        error.usage = None if self.kind == "stream fails" else self.usage
        return error

    async def __call__(self, *_: object) -> Any:
        await self.pause()
        if self.kind == "defect":
            raise RuntimeError
        if self.kind == "fails":
            raise self.failure()
        if self.kind == "stream fails":
            return Stream(self.pause, self.failure(), usage=self.usage)
        return Stream(self.pause, "Hi", usage=self.usage)


STEPS = st.builds(
    Step, st.sampled_from(["fails", "stream fails", "opens", "defect"]), FAULTS, USAGES, st.integers(0, 3)
)


async def lived(run: Run, leaves_after: int) -> Any:
    """Run a stream's driver, whose client leaves after so many passes of the loop; return what has opened."""
    task = asyncio.ensure_future(run.stream())
    for _ in range(leaves_after):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        return None
    error = task.exception()
    assert error is None or isinstance(error, ProviderError | GatewayError | RuntimeError)
    return task.result() if error is None else None


@given(st.lists(STEPS, min_size=6, max_size=6), st.integers(0, 40), st.integers(1, 4))
def test_request_is_settled_once_with_the_sum_of_its_attempts(steps: list[Step], leaves: int, attempts: int) -> None:
    async def history() -> None:
        run = Run(Adapter(*steps[:3]), Adapter(*steps[3:]), prices=PRICES, attempts=attempts)
        run.reservation.before_attempt = between.pause
        opened = await lived(run, leaves)
        context = run.context
        if opened is not None:
            assert run.reservation.settled == [], "its owner settles it"
            context.answered = opened.stream.usage or Usage(prompt_tokens=0)
            context.usage = context.with_spent(context.answered)
            opened.reservation.settle(context.usage)
        if not run.reservation.settled:
            assert context.attempts == 0, "it never was admitted"
            return
        settled = run.settled or Usage()
        each = [one.usage for one in attempts_of(context, 1.0) if one.usage is not None]
        for name in COUNTERS:
            assert (getattr(settled, name) or 0) == sum(getattr(one, name) or 0 for one in each), (name, each)
        costs = [one.cost for one in attempts_of(context, 1.0) if one.cost is not None]
        note_cost(context)
        assert (context.cost or 0) == sum(costs)
        assert (
            not each
            or settled.source in {"estimated", "provider_partial"}
            or all(one.source == "provider" for one in each)
        )

    between = Step("fails", ErrorKind.SERVER_ERROR, None, 3)
    asyncio.run(history())
