"""The only drivers of a request: `execute` for whole answers, `execute_stream` up to the first content of a stream."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from adapters.base import Call, ChunkStream, Deployment, Result
from adapters.errors import ErrorKind, ProviderError
from aqueduct.catalog.snapshot import ResolvedModel, RoutedDeployment, Snapshot
from aqueduct.errors import GatewayError, invalid_request, shown, terms_required
from aqueduct.pipeline import unreported
from aqueduct.pipeline.admit import Admission, Demand, Reservation
from aqueduct.pipeline.attempt_log import note_cost, note_failure
from aqueduct.pipeline.attempts import AttemptPolicy, run_attempts
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.form import Checker, StreamedForm, form_check
from aqueduct.pipeline.output_bound import AttemptT, within
from aqueduct.pipeline.recall import KeptStream, Recall, StateVault, recall_for
from aqueduct.pipeline.resolve import no_deployment, resolve, unsupported
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationBody, OperationSpec, RequestT, answers, max_output
from aqueduct.pipeline.usage_log import UsageLog
from aqueduct.routing.plan import plan
from schemas.usage import Usage

MAX_HELD_CHUNKS: Final = 64
MAX_HELD_BYTES: Final = 256 * 1024
_encode = msgspec.json.Encoder().encode
HeldT = TypeVar("HeldT", bound=OperationBody)


class Adapters(Protocol):
    """The adapters of this process by type."""

    def supporting(self, adapter: str, operation: type) -> object | None:
        """Return the adapter of a type, None where it does not implement the operation's Protocol."""
        ...


class Pipeline(Struct, frozen=True, kw_only=True):
    """What the drivers work with, built once per process."""

    snapshot: Callable[[], Snapshot]
    adapters: Adapters
    admission: Admission
    usage: UsageLog
    random: Random
    count_attempt: Callable[[str, str], None]
    """Called after each attempt with the deployment's id and `ok`, `cancelled` or an `ErrorKind`."""
    vault: StateVault | None = None
    checker: Checker | None = None
    max_attempts: int
    request_timeout_s: float


class Admitted(Struct, frozen=True):
    """A request that has passed resolve and admit."""

    model: ResolvedModel
    plan: tuple[Deployment, ...]
    policy: AttemptPolicy
    reservation: Reservation | None


class OpenStream(Struct, Generic[HeldT]):
    """A stream whose first content has arrived, and the chunks that came up to it."""

    held: tuple[HeldT, ...]
    """Whoever sends them empties it: they would stay in memory as long as the stream is open."""
    stream: ChunkStream[HeldT]
    reservation: Reservation | None
    kept: KeptStream[HeldT] | None = None
    """Takes the chunks as they are sent, where the answer has state to keep."""
    form: StreamedForm[HeldT] | None = None
    """Takes them too, where the answer is held against a schema."""


async def execute(
    pipeline: Pipeline,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    request: RequestT,
    extra_params: Mapping[str, Raw],
    context: RequestContext,
) -> Result[BodyT]:
    """Return the whole answer; raises `GatewayError` or `ProviderError`."""
    admitted = await _admit(pipeline, spec, request, extra_params, context)
    asking = _Asking(pipeline, spec, request, extra_params, context, admitted)
    usage: Usage | None = None
    try:
        result = await run_attempts(admitted.plan, admitted.policy, asking.attempt)
        form = form_check(pipeline.checker, spec, admitted.model, request, context)
        if form is not None:
            result = await form.checked(result, asking.again)
        usage = context.usage = context.spent if context.answered is None else context.with_spent(context.answered)
        note_cost(context)
    except (ProviderError, GatewayError):
        usage = context.usage = context.spent
        raise
    except BaseException:  # raised again: the client has left, or there is a defect
        usage = context.usage = _cut_off(context, spec, asking.pending)
        raise
    finally:
        if admitted.reservation is not None:
            admitted.reservation.settle(usage)
    context.upstream_id = result.upstream_id
    context.upstream_model = result.upstream_model or context.upstream_model
    context.native_finish_reason = result.native_finish_reason
    context.dropped_params = result.dropped_params
    context.finish_reason = spec.finish_reason(result.body)
    if asking.recall is not None:
        asking.recall.keep(request, result.body)
    result.body.model = request.model
    return result


class _Asking(Generic[RequestT, BodyT, ChunkT]):
    """The attempts of one request at a whole answer. `pending` is the request as it was last sent."""

    __slots__ = ("_admitted", "_context", "_extra_params", "_pipeline", "_request", "_spec", "pending", "recall")

    def __init__(
        self,
        pipeline: Pipeline,
        spec: OperationSpec[RequestT, BodyT, ChunkT],
        request: RequestT,
        extra_params: Mapping[str, Raw],
        context: RequestContext,
        admitted: Admitted,
    ) -> None:
        self._pipeline = pipeline
        self._spec = spec
        self._request = request
        self._extra_params = extra_params
        self._context = context
        self._admitted = admitted
        self.pending = request
        self.recall = recall_for(pipeline.vault, spec, admitted.model, context)

    def attempt(self, deployment: Deployment, number: int) -> Awaitable[Result[BodyT]]:
        """Ask a deployment for the answer; `number` counts the attempts from 1."""
        return self._ask(deployment, number, self._request)

    def again(self, repairing: RequestT) -> Awaitable[Result[BodyT]]:
        """Ask the deployment that has answered for a better answer."""
        served = next(one for one in self._admitted.plan if one.id == self._context.deployment_id)
        return self._ask(served, self._context.attempts + 1, repairing)

    async def _ask(self, deployment: Deployment, number: int, asked: RequestT) -> Result[BodyT]:
        self.pending = asked
        pipeline, spec, context = self._pipeline, self._spec, self._context
        reservation = self._admitted.reservation
        if number > 1 and reservation is not None:
            await _attempt_more(spec, reservation, deployment, asked, self._extra_params)
        adapter = pipeline.adapters.supporting(deployment.adapter, spec.supports)
        call = _begun(context, deployment, number, self._admitted.policy, self._extra_params)
        if self.recall is not None and self.recall.is_asked(asked, adapter, call):
            asked = await _recalled(self.recall, asked, call, reservation, spec)
        if reservation is None:
            made = spec.call(adapter, asked, call)
        else:
            made = within(spec, reservation, asked, lambda bounded: spec.call(adapter, bounded, call))
        result = await _observed(pipeline, context, made)
        context.answered = unreported.of_answer(spec, asked, result, context)
        context.service_tier = getattr(result.body, "service_tier", None) or None
        return result


async def execute_stream(
    pipeline: Pipeline,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    request: RequestT,
    extra_params: Mapping[str, Raw],
    context: RequestContext,
) -> OpenStream[ChunkT]:
    """Return the stream once it has content, so that a failure before it is still retried or told with its status.

    The caller owns the stream and settles the reservation.
    """
    admitted = await _admit(pipeline, spec, request, extra_params, context)
    recall = recall_for(pipeline.vault, spec, admitted.model, context)
    opened = False

    async def attempt(deployment: Deployment, number: int) -> tuple[tuple[ChunkT, ...], ChunkStream[ChunkT]]:
        if number > 1 and admitted.reservation is not None:
            await _attempt_more(spec, admitted.reservation, deployment, request, extra_params)
        adapter = pipeline.adapters.supporting(deployment.adapter, spec.supports)
        call = _begun(context, deployment, number, admitted.policy, extra_params)
        reservation = admitted.reservation
        asked = request
        if recall is not None and recall.is_asked(request, adapter, call):
            asked = await _recalled(recall, request, call, reservation, spec)
        made = within(spec, reservation, asked, lambda bounded: _open(spec, adapter, bounded, call, context))
        return await _observed(pipeline, context, made)

    try:
        held, stream = await run_attempts(admitted.plan, admitted.policy, attempt)
        opened = True
    except (ProviderError, GatewayError):
        context.usage = context.spent
        raise
    except BaseException:  # raised again: the client has left, or there is a defect
        context.usage = _cut_off(context, spec, request)
        raise
    finally:
        if not opened and admitted.reservation is not None:
            admitted.reservation.settle(context.usage)
    context.dropped_params = stream.dropped_params
    context.first_content = time.perf_counter()
    kept = None if recall is None else recall.kept_stream(request)
    form = form_check(pipeline.checker, spec, admitted.model, request, context)
    return OpenStream(held, stream, admitted.reservation, kept, None if form is None else form.streamed())


async def _recalled(
    recall: Recall[RequestT, BodyT, ChunkT],
    request: RequestT,
    call: Call,
    reservation: Reservation | None,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
) -> RequestT:
    """Return the request with what its client dropped of earlier answers, which counts as input like the rest."""
    asked = await recall.asked(request)
    if asked is not request and reservation is not None:
        await _attempt_more(spec, reservation, call.deployment, asked, call.extra_params)
    return asked


async def _attempt_more(
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    reservation: Reservation,
    deployment: Deployment,
    asked: RequestT,
    extra_params: Mapping[str, Raw],
) -> None:
    units = partial(spec.reserved_units, asked, has_more=bool(extra_params))
    await reservation.attempt(deployment, partial(spec.reserved_chars, asked), units)


async def _admit(
    pipeline: Pipeline,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    request: RequestT,
    extra_params: Mapping[str, Raw],
    context: RequestContext,
) -> Admitted:
    snapshot = pipeline.snapshot()
    if context.principal is None:
        raise TypeError
    context.price_lists = snapshot.prices
    model = resolve(snapshot, context.principal, request.model, spec.name)
    context.model, context.catalog_model = model.name, model.catalog_name
    if context.principal.owes_terms is not None:
        raise terms_required()
    if extra_params and model.extra_params == "reject":
        name = shown(next(iter(extra_params)))
        message = f"Unknown parameter '{name}'. The model '{request.model}' accepts no parameters beyond the schema."
        raise invalid_request("unsupported_parameter", message, name)
    candidates = plan(_capable(pipeline, spec, model), pipeline.random)
    reservation: Reservation | None = None
    if context.principal.limits.applied:
        chars = partial(spec.reserved_chars, request)
        units = partial(spec.reserved_units, request, has_more=bool(extra_params))
        demand = Demand(model, answers(request), candidates, chars, max_output(request), units)
        reservation = await pipeline.admission.admit(context, demand)
    try:
        await pipeline.usage.begin(context, candidates[0])
    except BaseException:  # raised again once the reservation is given back
        if reservation is not None:
            reservation.settle(None)
        raise
    deadline = asyncio.get_running_loop().time() + pipeline.request_timeout_s
    policy = AttemptPolicy(max_attempts=pipeline.max_attempts, deadline=deadline)
    return Admitted(model, candidates, policy, reservation)


async def _observed(pipeline: Pipeline, context: RequestContext, attempt: Awaitable[AttemptT]) -> AttemptT:
    """Await an attempt; note its time and count its outcome."""
    begun = context.attempt_begun = time.perf_counter()
    if context.failed_at:
        context.waited_s += begun - context.failed_at  # the pause before a repetition
        context.failed_at = 0.0
    context.answered = None
    context.in_flight = True
    outcome = "cancelled"
    try:
        result = await attempt
        outcome = "ok"
        context.in_flight = False
    except ProviderError as error:
        outcome = error.kind.value
        context.in_flight = False
        context.answered = None
        if error.usage is not None:
            context.spent = context.with_spent(error.usage)
        note_failure(context, error)
        context.failed_at = time.perf_counter()
        raise
    finally:
        context.waited_s += time.perf_counter() - begun
        pipeline.count_attempt(context.deployment_id or "", outcome)
    return result


def _cut_off(context: RequestContext, spec: OperationSpec[RequestT, BodyT, ChunkT], request: RequestT) -> Usage | None:
    """Return what is booked where a request ends without an answer and without an error of its provider."""
    if context.in_flight:
        context.answered = context.answered or unreported.of_nobody_s(spec, request, None, context)
    return context.spent if context.answered is None else context.with_spent(context.answered)


def _capable(
    pipeline: Pipeline, spec: OperationSpec[RequestT, BodyT, ChunkT], model: ResolvedModel
) -> tuple[RoutedDeployment, ...]:
    """Return the deployments whose adapter has the operation; raises `GatewayError` where there is none."""
    if not model.deployments:
        raise no_deployment(model.name)
    supporting, operation = pipeline.adapters.supporting, spec.supports
    capable = tuple([one for one in model.deployments if supporting(one.deployment.adapter, operation) is not None])
    if not capable:
        raise unsupported(model, spec.name)
    return capable


def _begun(
    context: RequestContext,
    deployment: Deployment,
    number: int,
    policy: AttemptPolicy,
    extra_params: Mapping[str, Raw],
) -> Call:
    """Note in the context which attempt begins, and return what its adapter may know."""
    context.attempts = number
    context.deployment_id = deployment.id
    context.provider = deployment.provider
    context.upstream_model = deployment.upstream_model
    context.max_seconds = deployment.max_seconds
    return Call(
        deployment=deployment,
        request_id=context.request_id,
        deadline=policy.deadline,
        attempt=number,
        extra_params=extra_params,
        on_head=context.note_provider_headers if context.include_provider_headers else None,
        on_abandoned=context.note_abandoned,
    )


async def _open(
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    adapter: object,
    request: RequestT,
    call: Call,
    context: RequestContext,
) -> tuple[tuple[ChunkT, ...], ChunkStream[ChunkT]]:
    """Open a stream and read up to its first content; a stream that fails before is closed.

    What is held back is bounded by `MAX_HELD_CHUNKS` and `MAX_HELD_BYTES`: beyond them it counts as content.
    """
    if spec.stream is None:
        raise TypeError
    stream = await spec.stream.open(adapter, request, call)
    held: list[ChunkT] = []
    held_bytes = 0
    reached = False
    try:
        async for chunks in stream:
            held += chunks
            if any(map(spec.stream.content_chars, chunks)):
                reached = True
                break
            held_bytes += sum(len(_encode(chunk)) for chunk in chunks)
            if len(held) > MAX_HELD_CHUNKS or held_bytes > MAX_HELD_BYTES:
                reached = True
                break
        if not reached and not stream.finished:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider ended the stream without an answer.")
        reached = True
    except ProviderError as error:
        if error.usage is None and stream.usage is not None:
            error.usage = unreported.of_nobody_s(spec, request, stream.usage, context)
        raise
    except BaseException:  # raised again
        context.answered = unreported.of_nobody_s(spec, request, stream.usage, context)
        raise
    finally:
        if not reached:
            await stream.aclose()
    return tuple(held), stream
