"""The invariants of a healthy exchange, and the entry points; the unhealthy ones are in `faults.py`."""

from collections.abc import Iterator, Sequence

import msgspec

from adapters.base import Result
from adapters.conformance import faults, variants
from adapters.conformance.case import ConformanceCase, Played, PlayedTransport
from adapters.conformance.fold import Said, said_chunks, said_violations, said_whole, stream_violations
from adapters.conformance.run import StreamOutcome, new_call, run_stream, run_whole
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.usage import Usage


class ConformanceError(AssertionError):
    """The adapter breaks the contract; the text lists every finding, one to a line."""


async def check(case: ConformanceCase) -> None:
    """Run every check; raises `ConformanceError`."""
    found = await findings(case)
    if found:
        raise ConformanceError(f"{case.name}:\n  " + "\n  ".join(found))


async def findings(case: ConformanceCase) -> list[str]:
    """Run every check and return what the adapter breaks; an exception other than `ProviderError` escapes."""
    whole = await run_whole(case, _played(case.whole, case), "the whole answer")
    stream = await run_stream(case, _played(case.stream, case, streamed=True), "the stream")
    if whole.result is None or stream.error is not None:
        return [f"the healthy exchange fails: whole: {whole.error!r}, stream: {stream.error!r}"]
    found = [*_whole_findings(whole.result), *_stream_findings(stream)]
    found += _difference_findings(whole.result, stream)
    if not whole.released or not stream.released:
        found.append("a response is not let go")
    found += await _early_close_findings(case)
    if case.stream is not None:
        said = said_chunks(stream.chunks)
        found += await _variant_findings(case, case.stream, stream)
        found += [finding async for finding in faults.stream_faults(case, case.stream, said)]
    if case.whole is not None:
        said = said_whole(whole.result.body)
        found += [finding async for finding in faults.whole_faults(case, case.whole, said)]
        found += [finding async for finding in faults.status_faults(case)]
    return found


def _played(data: bytes | None, case: ConformanceCase, *, streamed: bool = False) -> Played | None:
    if data is None:
        return None
    return Played([data], headers=case.stream_headers if streamed else case.whole_headers)


def _whole_findings(result: Result[ChatCompletion]) -> Iterator[str]:
    body = result.body
    for finding in said_violations(said_whole(body)):
        yield f"whole: {finding}"
    if not (body.id and body.model and body.created > 0):
        yield f"whole: id {body.id!r}, model {body.model!r} or created {body.created!r} is empty"
    if msgspec.to_builtins(body.usage) != msgspec.to_builtins(result.usage.to_completion_usage()):
        yield "whole: the body's usage is not the result's"
    yield from _usage_findings("whole", result.usage)
    for choice in body.choices:
        if choice.message.reasoning != choice.message.reasoning_content:
            yield f"whole: choice {choice.index}: reasoning and reasoning_content differ"


def _stream_findings(stream: StreamOutcome) -> Iterator[str]:
    for finding in (*stream_violations(stream.chunks), *said_violations(said_chunks(stream.chunks))):
        yield f"stream: {finding}"
    if not stream.finished:
        yield "stream: it ended and is not finished"
    if stream.usage is None:
        yield "stream: it has no usage"
    else:
        yield from _usage_findings("stream", stream.usage)


def _usage_findings(where: str, usage: Usage) -> Iterator[str]:
    for violation in usage.violations():
        yield f"{where}: usage: {violation}"
    if usage.source != "provider":
        yield f"{where}: usage: source is {usage.source!r}"


def _difference_findings(whole: Result[ChatCompletion], stream: StreamOutcome) -> Iterator[str]:
    one, other = said_whole(whole.body), said_chunks(stream.chunks)
    for index in sorted(one.keys() | other.keys()):
        first, second = one.get(index, Said()), other.get(index, Said())
        for name in Said.__struct_fields__:
            if getattr(first, name) != getattr(second, name):
                yield f"choice {index}: {name}: whole {getattr(first, name)!r}, stream {getattr(second, name)!r}"
    for name in Usage.__struct_fields__:
        counted, streamed = getattr(whole.usage, name), getattr(stream.usage, name, None)
        if name != "raw" and counted != streamed:
            yield f"usage: {name}: whole {counted!r}, stream {streamed!r}"
    for name in ("upstream_id", "upstream_model", "native_finish_reason"):
        if getattr(whole, name) != getattr(stream, name):
            yield f"{name}: whole {getattr(whole, name)!r}, stream {getattr(stream, name)!r}"


async def _early_close_findings(case: ConformanceCase) -> list[str]:
    """A stream that is closed before it was read, or after its first chunks, lets go and is not finished."""
    found: list[str] = []
    # Event by event, so that the stream is really unread when it is closed.
    pieces = variants.events(case.stream) if case.stream is not None else []
    played = Played(pieces, headers=case.stream_headers) if pieces else None
    for reads in (0, 1):
        transport = PlayedTransport(played)
        stream = await case.adapter(transport).chat_stream(case.request, new_call(case))
        for _ in range(reads):
            await anext(aiter(stream), None)
        was_finished = stream.finished
        await stream.aclose()
        await stream.aclose()
        if not transport.all_released:
            found.append(f"closed after {reads} reads: the response is not let go")
        if stream.finished != was_finished:
            found.append(f"closed after {reads} reads: closing changes `finished`")
    return found


async def _variant_findings(case: ConformanceCase, data: bytes, expected: StreamOutcome) -> list[str]:
    found: list[str] = []
    wanted = _comparable(expected.chunks)
    runs = [(what, pieces, False) for what, pieces in variants.same_meaning(data)]
    runs += [("pushed", [data], True), ("pushed event by event", variants.events(data), True)]
    for what, pieces, pushed in runs:
        outcome = await run_stream(case, Played(pieces, headers=case.stream_headers), what, pushed=pushed)
        if outcome.error is not None:
            found.append(f"stream, {what}: {outcome.error!r}")
        elif _comparable(outcome.chunks) != wanted or outcome.usage != expected.usage or not outcome.finished:
            found.append(f"stream, {what}: other chunks, usage or end")
    for what, changed in variants.with_event(data, case.unknown_event) if case.unknown_event is not None else ():
        outcome = await run_stream(case, Played([changed], headers=case.stream_headers), f"an unknown event {what}")
        if outcome.error is not None or said_chunks(outcome.chunks) != said_chunks(expected.chunks):
            found.append(f"stream, an unknown event {what}: not ignored: {outcome.error!r}")
    return found


def _comparable(chunks: Sequence[ChatCompletionChunk]) -> list[bytes]:
    """Encode the chunks without their times, which may pass between two runs."""
    encoded: list[bytes] = []
    for chunk in chunks:
        chunk.created = 0
        for choice in chunk.choices:
            if choice.delta.audio and choice.delta.audio.expires_at:
                choice.delta.audio.expires_at = 0
        encoded.append(msgspec.json.encode(chunk))
    return encoded
