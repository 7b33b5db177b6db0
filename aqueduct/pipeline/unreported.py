"""What is booked of an answer of which the provider did not say, or not to the end, what it consumed."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from adapters.base import Result
from aqueduct.pipeline.attempt_log import has_price
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.meter import settled_usage
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationSpec, RequestT
from aqueduct.usage.pricing import Meter
from schemas.usage import Usage


def of_answer(
    spec: OperationSpec[RequestT, BodyT, ChunkT], request: RequestT, result: Result[BodyT], context: RequestContext
) -> Usage:
    """Return the usage of a whole answer: as the provider reported it, estimated where it reported nothing."""
    usage = result.usage
    if usage.prompt_tokens is not None or usage.completion_tokens is not None:
        return usage
    found = settled_usage(
        usage, finished=True, prompt_chars=spec.prompt_chars(request), output_chars=spec.output_chars(result.body)
    )
    return with_units(spec, request, found, context)


def of_nobody_s(
    spec: OperationSpec[RequestT, BodyT, ChunkT], request: RequestT, reported: Usage | None, context: RequestContext
) -> Usage:
    """Return the usage of an attempt whose answer nobody waited for: the provider has taken the prompt all the same."""
    found = settled_usage(reported, finished=False, prompt_chars=spec.prompt_chars(request), output_chars=0)
    return with_units(spec, request, found, context)


def with_units(
    spec: OperationSpec[RequestT, BodyT, ChunkT], request: RequestT, usage: Usage, context: RequestContext
) -> Usage:
    """Return the usage with what the request alone tells of units that have a price and were not reported."""
    priced = () if spec.taken is None else _priced(usage, context)
    return usage if spec.taken is None or not priced else _with(usage, spec.taken(request, context.max_seconds), priced)


def taken_by(spec: OperationSpec[RequestT, BodyT, ChunkT], request: RequestT, context: RequestContext) -> Usage | None:
    """Return what a request alone tells of units, for `with_taken` when it is gone; None: nothing is priced."""
    priced = spec.taken is not None and context.price_lists and context.deployment_id in context.price_lists
    return spec.taken(request, context.max_seconds) if spec.taken is not None and priced else None


def with_taken(usage: Usage, taken: Usage | None, context: RequestContext) -> Usage:
    """As `with_units`, by what `taken_by` told."""
    priced = () if taken is None else _priced(usage, context)
    return usage if taken is None or not priced else _with(usage, taken, priced)


def _priced(usage: Usage, context: RequestContext) -> Sequence[str]:
    """Return the units that have a price and were not reported."""
    return [name for name, meter in _METERS if getattr(usage, name) is None and has_price(context, meter, usage)]


def _with(usage: Usage, taken: Usage, names: Sequence[str]) -> Usage:
    missing = {name: found for name in names if (found := getattr(taken, name))}
    return replace(usage, **missing) if missing else usage


_METERS: Final[tuple[tuple[str, Meter], ...]] = (("queries", "query"), ("seconds", "second"))
