"""What an adapter must do when the provider fails or sends what its API does not promise.

Required throughout: only `ProviderError` escapes, a stream that lacks its end is never finished, and every response is
let go. A broken event may be skipped where the answer is none the worse for it.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from adapters.conformance import variants
from adapters.conformance.case import JSON_HEADERS, ConformanceCase, Played
from adapters.conformance.fold import Said, said_chunks, said_whole
from adapters.conformance.run import StreamOutcome, WholeOutcome, run_stream, run_whole
from adapters.errors import ErrorKind, ProviderError, kind_of_status

MUTATIONS: Final = 120
TRUNCATIONS: Final = 40
STATUSES: Final = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)
LOST: Final = ProviderError(ErrorKind.CONNECTION, "The provider closed the connection too early.")
HTML: Final = b"<html><body>It works!</body></html>"


async def whole_faults(case: ConformanceCase, whole: bytes, said: dict[int, Said]) -> AsyncIterator[str]:
    """Yield the faults of unstreamed answers that the adapter does not stand."""
    for what, data in _broken_bodies(whole):
        outcome = await run_whole(case, Played([data], headers=case.whole_headers), what)
        if outcome.error is None and not _is_same(outcome, said):
            yield f"whole, {what}: no ProviderError"
        if not outcome.released:
            yield f"whole, {what}: the response is not let go"
    for what, data in variants.mutated(whole, MUTATIONS):
        outcome = await run_whole(case, Played([data], headers=case.whole_headers), what)
        if not outcome.released:
            yield f"whole, {what}: the response is not let go"
    lost = Played([whole[: len(whole) // 2]], headers=case.whole_headers, failure=LOST)
    outcome = await run_whole(case, lost, "connection lost in the body")
    if outcome.error is None or outcome.error.kind is not ErrorKind.CONNECTION:
        yield f"whole, connection lost in the body: {outcome.error!r}"
    if case.error_body is not None:
        outcome = await run_whole(case, Played([case.error_body]), "an error object under status 200")
        if outcome.error is None:
            yield "whole, an error object under status 200: no ProviderError"


def _broken_bodies(whole: bytes) -> Iterator[tuple[str, bytes]]:
    yield "an empty body", b""
    yield "an HTML page", HTML
    yield "nesting without end", b'{"a":[' * 5000
    for data in (b"null", b"[]", b"{}", b"1", b'"text"'):
        yield f"the body {data.decode()}", data
    for number in range(TRUNCATIONS):
        length = number * len(whole.rstrip()) // TRUNCATIONS
        yield f"a body cut after {length} bytes", whole[:length]


def _is_same(outcome: WholeOutcome, said: dict[int, Said]) -> bool:
    return outcome.result is not None and said_whole(outcome.result.body) == said


async def status_faults(case: ConformanceCase) -> AsyncIterator[str]:
    """Yield the HTTP failures that the adapter does not tell apart, streamed and not."""
    for status in STATUSES:
        for body in (b"", HTML, b"{}", b'{"error": "text"}', b'{"error": null}', case.error_body or b"[]"):
            what = f"status {status} with {body[:40]!r}"
            played = Played([body], status=status, headers={**JSON_HEADERS, "retry-after": "7"})
            for outcome in (await run_whole(case, played, what), await run_stream(case, played, what)):
                for finding in _status_findings(case, outcome, status, body):
                    yield f"{what}: {finding}"


def _status_findings(
    case: ConformanceCase, outcome: WholeOutcome | StreamOutcome, status: int, body: bytes
) -> Iterator[str]:
    error = outcome.error
    if error is None:
        yield "no ProviderError"
        return
    if not outcome.released:
        yield "the response is not let go"
    if error.status != status:
        yield f"the error says status {error.status}"
    if not body and error.kind is not kind_of_status(status):
        yield f"the kind is {error.kind}, not {kind_of_status(status)}"
    if status == 429 and error.retry_after_s != 7.0:
        yield f"retry_after_s is {error.retry_after_s}, not 7"
    secret = case.deployment.credential
    if secret is not None and secret.value in f"{error.message} {error}":
        yield "the message holds the credential"
    if case.deployment.base_url and case.deployment.base_url in error.message:
        yield "the message holds the base URL"


async def stream_faults(case: ConformanceCase, stream: bytes, said: dict[int, Said]) -> AsyncIterator[str]:
    """Yield the faults of streams that the adapter does not stand."""
    async for finding in _truncations(case, stream, said):
        yield finding
    for what, data in variants.malformed(stream):
        outcome = await _stream(case, data, what)
        if outcome.error is None and said_chunks(outcome.chunks) != said and not _is_unread(what):
            yield f"stream, {what}: no ProviderError, and the answer is another"
        for finding in _end_findings(outcome, None):
            yield f"stream, {what}: {finding}"
    for what, data in variants.mutated(stream, MUTATIONS):
        for finding in _end_findings(await _stream(case, data, what), None):
            yield f"stream, {what}: {finding}"
    for what, data in _no_streams(case):
        outcome = await _stream(case, data, what)
        if outcome.error is None or outcome.finished:
            yield f"stream, {what}: no ProviderError"
    async for finding in _error_events(case, stream):
        yield finding


async def _truncations(case: ConformanceCase, stream: bytes, said: dict[int, Said]) -> AsyncIterator[str]:
    for what, data in variants.truncated(stream):
        for failure in (None, LOST):
            situation = f"{what}{', connection lost' if failure else ''}"
            for finding in _end_findings(await _stream(case, data, situation, failure), said):
                yield f"stream, {situation}: {finding}"


def _is_unread(what: str) -> bool:
    """Some events carry nothing that an adapter must read; an empty object in their place may go unnoticed."""
    return what.endswith(("an empty object", "numbers as texts"))


def _no_streams(case: ConformanceCase) -> Iterator[tuple[str, bytes]]:
    yield "an empty body", b""
    yield "an HTML page", HTML
    yield "only comments", variants.COMMENT * 3
    if case.error_body is not None:
        yield "a JSON error object instead of a stream", case.error_body


async def _error_events(case: ConformanceCase, stream: bytes) -> AsyncIterator[str]:
    if case.error_event is None:
        return
    for what, data in variants.with_event(stream, case.error_event):
        outcome = await _stream(case, data, f"an error event {what}")
        ended_before = outcome.finished and all(one.finish for one in said_chunks(outcome.chunks).values())
        if outcome.error is None and not ended_before:
            yield f"stream, an error event {what}: no ProviderError"


async def _stream(
    case: ConformanceCase, data: bytes, situation: str, failure: ProviderError | None = None
) -> StreamOutcome:
    return await run_stream(case, Played([data], headers=case.stream_headers, failure=failure), situation)


def _end_findings(outcome: StreamOutcome, said: dict[int, Said] | None) -> Iterator[str]:
    """Yield what is wrong with an end; `said` is what a stream must have said to be finished without its last event."""
    if not outcome.released:
        yield "the response is not let go"
    if outcome.error is not None:
        if outcome.finished and said is not None and said_chunks(outcome.chunks) != said:
            yield "finished, although it failed"
        return
    if not outcome.finished:
        yield "it ended without an error and is not finished"
    elif said is not None and said_chunks(outcome.chunks) != said:
        yield "it passes for finished, and the answer is not whole"
