"""Attempts on the deployments of a plan: one attempt budget and one deadline per request; knows no operation.

The first attempt runs without tenacity, which costs 30-43 us a request; tenacity drives what comes after a failure.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from adapters.base import Deployment
from adapters.errors import ProviderError

MAX_RETRY_AFTER_S: Final = 10.0
_BACKOFF = wait_random_exponential(multiplier=0.25, max=8.0)
ResultT = TypeVar("ResultT")
Attempt = Callable[[Deployment, int], Awaitable[ResultT]]


class AttemptPolicy(Struct, frozen=True, kw_only=True):
    """`max_attempts` counts all attempts of a request; `deadline` is in loop time."""

    max_attempts: int
    deadline: float


async def run_attempts(plan: tuple[Deployment, ...], policy: AttemptPolicy, attempt: Attempt[ResultT]) -> ResultT:
    """Return the first success; raises the last `ProviderError`. `attempt` gets the deployment and a number from 1."""
    try:
        return await attempt(plan[0], 1)
    except ProviderError as error:
        later = _LaterAttempts(plan, policy, attempt, error)
    return await later.run()


class _LaterAttempts(Generic[ResultT]):
    """What follows a failed first attempt. The queue holds the deployments that may still do, the next one first.

    A failure is handed on as a value, and kept no longer than it is needed: it holds the frames that it went through,
    and so the request. Whoever still held it when it is raised would keep both in memory until a garbage collection.
    """

    def __init__(
        self, plan: tuple[Deployment, ...], policy: AttemptPolicy, attempt: Attempt[ResultT], first: ProviderError
    ) -> None:
        self._queue = deque(plan)
        self._policy = policy
        self._attempt = attempt
        self._failure: ProviderError | None = first
        self._failed_at: dict[str, _Failure] = {}
        self._made = 0

    async def run(self) -> ResultT:
        """Hand the failure of the first attempt to tenacity, and let it go on from there."""
        retrying = AsyncRetrying(
            retry=self._may_go_on,
            stop=self._stops,
            wait=self._pause_s,
            retry_error_callback=_nothing,
        )
        try:
            made: tuple[ResultT] | None = await retrying(self._next)
            if self._failure is not None:
                raise self._failure
            if made is None:
                raise TypeError
            return made[0]
        finally:
            self._failure = None
            retrying.iter_state.reset()  # what it was about to do refers back to it, and it to the request

    async def _next(self) -> tuple[ResultT] | None:
        """Make an attempt, but for the first, which has been made; None: it has failed."""
        self._made += 1
        if self._made > 1:
            self._failure = None
            try:
                return (await self._attempt(self._queue[0], self._made),)
            except ProviderError as error:
                self._failure = error
        if self._failure is not None:
            self._note(self._failure)
        return None

    def _note(self, error: ProviderError) -> None:
        """Put the deployment that failed behind the others, or out where it cannot do within this request."""
        deployment = self._queue.popleft()
        if error.kind.is_callers_fault:
            self._queue.clear()
        elif error.is_retryable and (error.retry_after_s or 0.0) <= MAX_RETRY_AFTER_S:
            self._failed_at[deployment.id] = _Failure(asyncio.get_running_loop().time(), error.retry_after_s)
            self._queue.append(deployment)

    def _may_go_on(self, _: RetryCallState) -> bool:
        return self._failure is not None and bool(self._queue)

    def _pause_s(self, state: RetryCallState) -> float:
        failure = self._failed_at.get(self._queue[0].id)
        if failure is None:
            return 0.0
        if failure.retry_after_s is None:
            return _BACKOFF(state)
        return max(0.0, failure.at + failure.retry_after_s - asyncio.get_running_loop().time())

    def _stops(self, state: RetryCallState) -> bool:
        if state.attempt_number >= self._policy.max_attempts:
            return True
        return asyncio.get_running_loop().time() + state.upcoming_sleep >= self._policy.deadline


def _nothing(_: RetryCallState) -> None:
    """Have no attempt follow, and say so as `_next` does."""


class _Failure(NamedTuple):
    """When a deployment failed, in loop time, and how long it asked to be left alone."""

    at: float
    retry_after_s: float | None
