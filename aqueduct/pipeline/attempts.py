"""Attempts on the deployments of a plan: one attempt budget and one deadline per request; knows no operation.

The first attempt runs without tenacity, which costs 30-43 us a request; tenacity drives what comes after a failure.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError

MAX_RETRY_AFTER_S: Final = 10.0
_BACKOFF = wait_random_exponential(multiplier=0.25, max=8.0)
_OTHER_DEPLOYMENT_MAY_DO = frozenset({ErrorKind.CREDENTIALS, ErrorKind.MODEL_NOT_FOUND})
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
    """What follows a failed first attempt."""

    def __init__(
        self, plan: tuple[Deployment, ...], policy: AttemptPolicy, attempt: Attempt[ResultT], first: ProviderError
    ) -> None:
        self._plan = plan
        self._policy = policy
        self._attempt = attempt
        self._error = first
        self._made = 0

    async def run(self) -> ResultT:
        """Hand the failure of the first attempt to tenacity, and let it go on from there."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._may_go_on),
            stop=self._stops,
            wait=self._pause_s,
            reraise=True,
        )
        return await retrying(self._next)

    async def _next(self) -> ResultT:
        self._made += 1
        if self._made == 1:
            raise self._error
        try:
            return await self._attempt(self._plan[(self._made - 1) % len(self._plan)], self._made)
        except ProviderError as error:
            self._error = error
            raise

    def _may_go_on(self, error: BaseException) -> bool:
        if not isinstance(error, ProviderError):
            return False
        untried = self._made < len(self._plan)
        if error.kind in _OTHER_DEPLOYMENT_MAY_DO or (error.retry_after_s or 0.0) > MAX_RETRY_AFTER_S:
            return untried
        return error.kind.is_retryable

    def _pause_s(self, state: RetryCallState) -> float:
        if self._made < len(self._plan):
            return 0.0
        return self._error.retry_after_s if self._error.retry_after_s is not None else _BACKOFF(state)

    def _stops(self, state: RetryCallState) -> bool:
        if state.attempt_number >= self._policy.max_attempts:
            return True
        return asyncio.get_running_loop().time() + state.upcoming_sleep >= self._policy.deadline
