"""The bound that the gateway puts on an output where the client set none and limits do; knows no limit."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from adapters.errors import ErrorKind, ProviderError
from aqueduct.pipeline.admit import Reservation
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationSpec, RequestT

OUTPUT_BOUNDS: Final = frozenset({"max_tokens", "max_completion_tokens"})
AttemptT = TypeVar("AttemptT")


def within(
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    reservation: Reservation | None,
    request: RequestT,
    make: Callable[[RequestT], Awaitable[AttemptT]],
) -> Awaitable[AttemptT]:
    """Make a call; where the client set no bound on the output and limits do, the provider is told theirs."""
    if reservation is None or reservation.max_output is None or spec.bounded is None:
        return make(request)
    return _bounded(spec.bounded, reservation, request, make)


async def _bounded(
    bounded: Callable[[RequestT, int], RequestT],
    reservation: Reservation,
    request: RequestT,
    make: Callable[[RequestT], Awaitable[AttemptT]],
) -> AttemptT:
    """Make a call with the reservation's bound, and once more with its least where the model cannot have as much."""
    try:
        return await make(bounded(request, reservation.max_output or 1))
    except ProviderError as error:
        is_ours = error.kind is ErrorKind.CONTEXT_LENGTH or error.param in OUTPUT_BOUNDS
        if not (is_ours and error.kind.is_callers_fault and reservation.narrow()):
            raise
    return await make(bounded(request, reservation.max_output or 1))
