"""Both drivers of a request over an adapter that does as it is told, and a reservation that says what it was told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from adapters.base import Call, Deployment, Result
from adapters.errors import ProviderError
from aqueduct.api.chat import CHAT
from aqueduct.api.rerank import RERANK
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel, RoutedDeployment
from aqueduct.errors import GatewayError
from aqueduct.ids import RequestIds
from aqueduct.limits.rules import Applied, Limit, LimitSet
from aqueduct.limits.windows import slots_of
from aqueduct.pipeline.attempt_log import note_cost
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.execute import OpenStream, Pipeline, execute, execute_stream
from aqueduct.pipeline.spec import Units
from aqueduct.usage.pricing import PriceList
from schemas.chat_response import ChatCompletion, ChatCompletionChunk, ChoiceDelta, ChunkChoice
from schemas.usage import Usage

DEPLOYMENT = Deployment(id="one", model="m", provider="p", adapter="one", upstream_model="u", max_seconds=30)
OTHER = replace(DEPLOYMENT, id="two", adapter="two")
BODY = '{"model":"m","messages":[{"role":"user","content":"' + "x" * 320 + '"}]}'
LIMIT = Limit(
    id=UUID(int=1), scope="org", name="o", metric="total_tokens", amount=10**6, window="total",
    slots=slots_of("total", calendar=False),
)  # fmt: skip
Step = Exception | Usage | Callable[[], Awaitable[Any]] | None


def chunk(text: str, **fields: Any) -> ChatCompletionChunk:
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content=text), finish_reason=None)
    return ChatCompletionChunk(id="c", choices=[choice], created=1, model="upstream", **fields)


class Stream:
    """A stream of texts; what is no text is raised, or awaited. `usage` is as reported from its beginning."""

    upstream_id = upstream_model = native_finish_reason = None
    dropped_params = ()

    def __init__(self, *steps: Any, usage: Usage | None = None) -> None:
        self._steps = steps
        self.usage = usage
        self.finished = False
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[tuple[ChatCompletionChunk, ...]]:
        for step in self._steps:
            if isinstance(step, str):
                yield (chunk(step),)
            elif isinstance(step, Exception):
                raise step
            else:
                await step()
        self.finished = True

    async def aclose(self) -> None:
        self.closed += 1


class Adapter:
    """Does one thing after the other: raises, waits, answers, or opens a stream."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.calls: list[Call] = []

    async def chat(self, request: Any, call: Call) -> Any:
        del request
        self.calls.append(call)
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Usage):
            body = ChatCompletion(id="c", choices=[], created=1, model="u")
            return Result(body=body, usage=step)
        if isinstance(step, Stream):
            return step
        return await step(call)

    chat_stream = rerank = chat


class Reservation:
    """Keeps what it is told; `refuses` the attempts after so many."""

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.settled: list[Usage | None] = []
        self.max_output: int | None = None
        self.before_attempt: Callable[[], Awaitable[None]] | None = None

    async def attempt(
        self, deployment: Deployment, prompt_chars: Callable[[], int], units: Callable[[], Units]
    ) -> None:
        del deployment, prompt_chars, units
        if self.before_attempt is not None:
            await self.before_attempt()

    async def extend(self, output: int) -> bool:
        del output
        return False

    def narrow(self) -> bool:
        return False

    def settle(self, usage: Usage | None) -> None:
        self.settled.append(usage)
        note_cost(self.context)


class Run:
    """One request to a model with one deployment for each adapter."""

    def __init__(
        self, *adapters: Adapter, body: str = BODY, prices: PriceList | None = None, spec: Any = CHAT, attempts: int = 3
    ) -> None:
        self.adapters = dict(zip(("one", "two"), adapters, strict=False))
        self.context = RequestContext(RequestIds()(), f"/v1{spec.path}", spec.name)
        self.context.principal = Principal(
            token_id=uuid4(), token_name="t", owner_kind="user", org_id=uuid4(), org_slug="o",
            limits=LimitSet([Applied(LIMIT, uuid4())]),
        )  # fmt: skip
        self.reservation = Reservation(self.context)
        self.spec = spec
        self.request, self.extra = spec.decoder.decode(body.encode())
        deployments = (DEPLOYMENT, OTHER)[: len(adapters)]
        model = ResolvedModel(
            id=UUID(int=0), name="m", catalog_name="m", created=0, owned_by="", operations=frozenset(),
            context_window=None, max_output_tokens=None, request_weight=1, extra_params="drop",
            deployments=tuple(RoutedDeployment(one, place, 1) for place, one in enumerate(deployments)),
        )  # fmt: skip
        snapshot: Any = SimpleNamespace(
            resolve=lambda _: model, may_use=lambda *_: True,
            prices=None if prices is None else dict.fromkeys(("one", "two"), prices),
        )  # fmt: skip

        async def admit(*_: object) -> Reservation:
            return self.reservation

        async def begin(*_: object) -> None:
            return

        self.outcomes: list[str] = []
        self.pipeline = Pipeline(
            snapshot=lambda: snapshot,
            adapters=SimpleNamespace(supporting=lambda name, _: self.adapters[name]),
            admission=SimpleNamespace(admit=admit),
            usage=SimpleNamespace(begin=begin),
            random=Random(1),
            count_attempt=lambda _, outcome: self.outcomes.append(outcome),
            max_attempts=attempts,
            request_timeout_s=60,
        )

    async def whole(self) -> Any:
        return await execute(self.pipeline, self.spec, self.request, self.extra, self.context)

    async def stream(self) -> OpenStream[Any]:
        return await execute_stream(self.pipeline, self.spec, self.request, self.extra, self.context)

    async def cancelled(self, driver: Callable[[], Awaitable[Any]], waits: asyncio.Event) -> None:
        """Cancel a driver once it waits."""
        task = asyncio.ensure_future(driver())
        await asyncio.wait_for(waits.wait(), 10)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def failed(self, driver: Callable[[], Awaitable[Any]], *kinds: type[BaseException]) -> None:
        with pytest.raises(kinds or (ProviderError, GatewayError)):
            await driver()

    @property
    def settled(self) -> Usage | None:
        """What was settled, which must have happened once, and is what the row says."""
        (usage,) = self.reservation.settled
        assert usage is self.context.usage
        return usage


def waiting(event: asyncio.Event) -> Callable[..., Awaitable[Any]]:
    """Return a step that tells that it waits, and waits without end."""

    async def wait(*_: object) -> None:
        event.set()
        await asyncio.Event().wait()

    return wait


__all__: Sequence[str] = ("RERANK", "Adapter", "Run", "Stream", "waiting")
