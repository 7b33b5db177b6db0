"""What is booked of an answer of which the provider did not say, or not to the end, what it consumed."""

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
    if spec.taken is None:
        return usage
    priced = [
        (name, meter) for name, meter in _METERS if getattr(usage, name) is None and has_price(context, meter, usage)
    ]
    if not priced:
        return usage
    taken = spec.taken(request, context.max_seconds)
    missing = {name: found for name, _ in priced if (found := getattr(taken, name))}
    return replace(usage, **missing) if missing else usage


_METERS: Final[tuple[tuple[str, Meter], ...]] = (("queries", "query"), ("seconds", "second"))
