"""Which deployment is tried, how often, and when to stop: one budget and one deadline per request."""

import asyncio
import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError
from aqueduct.pipeline import attempts
from aqueduct.pipeline.attempts import AttemptPolicy, run_attempts
from aqueduct.pipeline.execute import _observed
from tests.pipeline.drivers import Run

Outcome = ProviderError | str
RETRYABLE = [kind for kind in ErrorKind if kind.is_retryable]
CALLERS = [kind for kind in ErrorKind if kind.is_callers_fault]
PERMANENT = [kind for kind in ErrorKind if kind not in RETRYABLE and kind not in CALLERS]


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_BACKOFF", lambda _state: 0.001)


def deployments(*names: str) -> tuple[Deployment, ...]:
    return tuple(Deployment(id=name, model="m", provider="p", adapter="a", upstream_model="u") for name in names)


def error(kind: ErrorKind, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError(kind, "no", retry_after_s=retry_after_s)


class Upstreams:
    """Plays one outcome after the other for each deployment; the last one stays."""

    def __init__(self, **outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.tried: list[str] = []
        self.times: list[float] = []

    async def attempt(self, deployment: Deployment, number: int) -> str:
        self.tried.append(deployment.id)
        self.times.append(asyncio.get_running_loop().time())
        assert number == len(self.tried)
        outcomes = self.outcomes[deployment.id]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome


class Held:
    """Tells whether somebody still holds it."""

    def __init__(self, held: "list[weakref.ref[Held]]") -> None:
        held.append(weakref.ref(self))


async def run(upstreams: Upstreams, *, most: int = 5, within_s: float = 5.0) -> str:
    policy = AttemptPolicy(max_attempts=most, deadline=asyncio.get_running_loop().time() + within_s)
    return await run_attempts(deployments(*upstreams.outcomes), policy, upstreams.attempt)


async def test_attempts_success_needs_one() -> None:
    upstreams = Upstreams(a=["yes"], b=["no"])

    assert await run(upstreams) == "yes"
    assert upstreams.tried == ["a"]


@pytest.mark.parametrize("kind", RETRYABLE)
async def test_attempts_retryable_failure_goes_to_another_deployment_first_and_then_round(kind: ErrorKind) -> None:
    upstreams = Upstreams(a=[error(kind), "yes"], b=[error(kind)])

    assert await run(upstreams) == "yes"
    assert upstreams.tried == ["a", "b", "a"]


@pytest.mark.parametrize("kind", CALLERS)
async def test_attempts_callers_fault_stops_at_once(kind: ErrorKind) -> None:
    upstreams = Upstreams(a=[error(kind)], b=["yes"])

    with pytest.raises(ProviderError) as caught:
        await run(upstreams)
    assert caught.value.kind is kind
    assert upstreams.tried == ["a"]


@pytest.mark.parametrize("kind", PERMANENT)
async def test_attempts_deployments_own_fault_goes_to_the_next_and_never_back(kind: ErrorKind) -> None:
    upstreams = Upstreams(a=[error(kind), "yes"], b=[error(ErrorKind.SERVER_ERROR)])

    with pytest.raises(ProviderError) as caught:
        await run(upstreams)
    assert caught.value.kind is ErrorKind.SERVER_ERROR
    assert upstreams.tried == ["a", "b", "b", "b", "b"]


@pytest.mark.parametrize("kind", PERMANENT)
async def test_attempts_lone_deployments_own_fault_is_not_retried(kind: ErrorKind) -> None:
    upstreams = Upstreams(a=[error(kind)])

    with pytest.raises(ProviderError):
        await run(upstreams)
    assert upstreams.tried == ["a"]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
async def test_attempts_budget_counts_all_deployments_together(most: int) -> None:
    """TRAPS 23: one attempt budget per request, not retries times fallbacks."""
    upstreams = Upstreams(a=[error(ErrorKind.CONNECTION)], b=[error(ErrorKind.CONNECTION)])

    with pytest.raises(ProviderError):
        await run(upstreams, most=most)
    assert len(upstreams.tried) == most


async def test_attempts_last_error_is_raised() -> None:
    last = error(ErrorKind.TIMEOUT)
    upstreams = Upstreams(a=[error(ErrorKind.OVERLOADED)], b=[last])

    with pytest.raises(ProviderError) as caught:
        await run(upstreams, most=2)
    assert caught.value is last


async def test_attempts_retry_after_is_waited_for_on_the_same_deployment() -> None:
    upstreams = Upstreams(a=[error(ErrorKind.RATE_LIMIT, 0.1), "yes"])

    assert await run(upstreams) == "yes"
    assert upstreams.times[1] - upstreams.times[0] >= 0.099


async def test_attempts_retry_after_of_one_does_not_delay_another() -> None:
    upstreams = Upstreams(a=[error(ErrorKind.RATE_LIMIT, 5.0)], b=["yes"])

    assert await run(upstreams) == "yes"
    assert upstreams.times[1] - upstreams.times[0] < 1.0


async def test_attempts_too_long_retry_after_leaves_the_deployment_out() -> None:
    upstreams = Upstreams(a=[error(ErrorKind.RATE_LIMIT, 60.0)], b=[error(ErrorKind.SERVER_ERROR)])

    with pytest.raises(ProviderError):
        await run(upstreams, most=3)
    assert upstreams.tried == ["a", "b", "b"]


async def test_attempts_deadline_that_a_pause_would_pass_ends_them() -> None:
    upstreams = Upstreams(a=[error(ErrorKind.RATE_LIMIT, 2.0)])
    begun = asyncio.get_running_loop().time()

    with pytest.raises(ProviderError) as caught:
        await run(upstreams, within_s=1.0)
    assert caught.value.kind is ErrorKind.RATE_LIMIT
    assert asyncio.get_running_loop().time() - begun < 0.5
    assert upstreams.tried == ["a"]


@pytest.mark.parametrize("failures", [0, 1])
async def test_attempts_other_exceptions_pass_untouched(failures: int) -> None:
    calls = 0

    async def attempt(_: Deployment, number: int) -> str:
        nonlocal calls
        calls += 1
        if number <= failures:
            raise error(ErrorKind.CONNECTION)
        raise KeyError("a defect")

    policy = AttemptPolicy(max_attempts=5, deadline=asyncio.get_running_loop().time() + 5)
    with pytest.raises(KeyError):
        await run_attempts(deployments("a"), policy, attempt)
    assert calls == failures + 1


@pytest.mark.parametrize("where", ["first attempt", "later attempt", "pause"])
async def test_attempts_cancellation_passes(where: str) -> None:
    tried = 0

    async def attempt(_: Deployment, number: int) -> str:
        nonlocal tried
        tried = number
        if where == "first attempt" or (where == "later attempt" and number == 2):
            await asyncio.sleep(10)
        raise error(ErrorKind.RATE_LIMIT, 9.0 if where == "pause" else 0.0)

    policy = AttemptPolicy(max_attempts=3, deadline=asyncio.get_running_loop().time() + 60)
    run_one: Callable[[], Awaitable[str]] = lambda: run_attempts(deployments("a"), policy, attempt)  # noqa: E731
    task = asyncio.ensure_future(run_one())
    await asyncio.sleep(0.05)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert tried == (2 if where == "later attempt" else 1)


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
@pytest.mark.parametrize("kind", [ErrorKind.OVERLOADED, ErrorKind.INVALID_REQUEST])
async def test_attempts_hold_nothing_of_the_request_once_they_are_over(kind: ErrorKind, failures: int) -> None:
    """A stream that follows a failed attempt may last for long; and many requests may fail before a collection."""
    held: list[weakref.ref[Held]] = []

    async def drive() -> None:
        request = Held(held)

        async def attempt(_: Deployment, number: int) -> str:
            sent = Held(held)
            if number <= failures:
                raise ProviderError(kind, f"no {sent} of {request}")
            return "yes"

        policy = AttemptPolicy(max_attempts=3, deadline=asyncio.get_running_loop().time() + 5)
        with suppress(ProviderError):
            await run_attempts(deployments("a", "b"), policy, attempt)

    gc.disable()
    try:
        await drive()
        left = sum(one() is not None for one in held)
    finally:
        gc.enable()
    assert (left, len(held) > 1) == (0, True)


async def test_pause_before_a_repetition_is_waited_for_once_however_many_attempts_follow() -> None:
    run = Run()
    begun = time.perf_counter()

    async def fails() -> None:
        raise ProviderError(ErrorKind.OVERLOADED, "Busy.")

    with pytest.raises(ProviderError):
        await _observed(run.pipeline, run.context, fails())
    for _ in range(2):  # a repetition, and one for an answer that has not the form that was asked for
        await _observed(run.pipeline, run.context, asyncio.sleep(0.05))

    assert 0.1 <= run.context.waited_s <= time.perf_counter() - begun
