"""Composable faults of a response, turned into a plan of writes; it must not know any dialect or socket."""

import re
import zlib
from typing import Literal

import msgspec

from upstreams.wire import Headers, Reply

Ending = Literal["complete", "cut", "stall"]
Corruption = Literal["json", "utf8"]
Page = Literal["html", "empty"]

HTML_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
GARBAGE_UTF8 = b"\xff\xfe\xc3\x28\xf0\x9f"
KEEP_ALIVE = b": keep-alive\n\n"
STRING_START = re.compile(rb':\s*"')


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with one response; faults compose, the default is none.

    Delays are seconds; the first byte's comes before the response head, the first chunk's after it. `*_at` and
    `*_after` count events (parts) of the reply, not TCP segments. Byte counts are of the body as sent (after
    compression), without chunked framing. `error` replaces the reply by the dialect's own error of that status;
    `error_event_at` puts the dialect's error event there and ends the stream cleanly after it. `missing_bytes` are
    promised by the content-length and never sent. `split` cuts the body into HTTP chunks of that size, `split_wire`
    everything, head and framing too, into writes of that size. `close_delimited` sends no length and no chunks: the
    body ends with the connection. `no_response` closes the connection after the request without a byte.
    """

    first_byte_delay_s: float = 0.0
    first_chunk_delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    stall_after: int | None = None
    cut_after: int | None = None
    cut_after_bytes: int | None = None
    cut_fraction: float | None = None
    cut_with: Literal["fin", "rst"] = "fin"
    error: int | None = None
    retry_after: str | None = None
    error_event_at: int | None = None
    corrupt: Corruption | None = None
    corrupt_at: int = 0
    page: Page | None = None
    page_status: int = 200
    content_type: str | None = None
    missing_bytes: int = 0
    split: int | None = None
    split_wire: int | None = None
    close_delimited: bool = False
    no_response: bool = False
    crlf: bool = False
    comments: bool = False
    gzip: bool = False
    connection_close: bool = False
    close_idle_after_s: float | None = None
    informational: tuple[int, ...] = ()


NO_FAULT = Fault()


class Step(msgspec.Struct, frozen=True):
    """One write of body bytes, after a delay in seconds; `event_done` marks the last write of an event."""

    data: bytes
    delay_s: float
    event_done: bool


class Plan(msgspec.Struct, frozen=True):
    """Everything that the server does for one response.

    `length` is the content-length, None where none is sent; `whole` tells whether the steps are the full body.
    """

    status: int
    headers: Headers
    steps: tuple[Step, ...]
    length: int | None
    chunked: bool
    ending: Ending
    whole: bool
    fault: Fault


def plan(reply: Reply, fault: Fault = NO_FAULT, error_event: bytes = b"") -> Plan:
    """Apply a fault to a reply. `error_event` is the dialect's in-stream error."""
    status, headers, parts, streamed = reply.status, dict(reply.headers), list(reply.parts), reply.streamed
    if fault.page is not None:
        status, parts, streamed = fault.page_status, [HTML_PAGE] if fault.page == "html" else [], False
        headers["content-type"] = "text/html" if fault.page == "html" else "application/json"
    if fault.error_event_at is not None:
        parts = [*parts[: fault.error_event_at], error_event]
    if fault.corrupt is not None and parts:
        position = min(fault.corrupt_at, len(parts) - 1)
        parts[position] = corrupted(parts[position], fault.corrupt)
    if streamed:
        parts = dressed(parts, fault)
    if fault.content_type is not None:
        headers["content-type"] = fault.content_type
    if fault.gzip:
        parts = gzipped(parts)
        headers["content-encoding"] = "gzip"
    if fault.connection_close or fault.close_delimited:
        headers["connection"] = "close"
    length = None if streamed or fault.close_delimited else sum(map(len, parts))
    kept, ending = shortened(parts, fault)
    whole = ending == "complete"
    return Plan(
        status=status,
        headers=tuple(headers.items()),
        steps=steps(kept, fault),
        length=length,
        chunked=streamed and not fault.close_delimited,
        ending="cut" if whole and fault.close_delimited else ending,
        whole=whole,
        fault=fault,
    )


def corrupted(part: bytes, kind: Corruption) -> bytes:
    """The part with broken JSON (cut in its middle, event end kept) or with bytes that are no UTF-8 in a string."""
    if kind == "json":
        body = part.rstrip(b"\r\n")
        return body[: max(1, len(body) * 2 // 3)] + part[len(body) :]
    start = STRING_START.search(part)
    position = start.end() if start else len(part) // 2
    return part[:position] + GARBAGE_UTF8 + part[position:]


def dressed(parts: list[bytes], fault: Fault) -> list[bytes]:
    """The same events with comments between them and with CRLF line ends, as asked."""
    if fault.comments:
        parts = [KEEP_ALIVE + part for part in parts]
    if fault.crlf:
        parts = [re.sub(rb"\r?\n", b"\r\n", part) for part in parts]
    return parts


def gzipped(parts: list[bytes]) -> list[bytes]:
    """Compress, flushing after each part so that every event can be read when it arrives."""
    compressor = zlib.compressobj(wbits=31)
    packed = [compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*packed, compressor.flush()]


def shortened(parts: list[bytes], fault: Fault) -> tuple[list[bytes], Ending]:
    """The parts that are really sent, and how the response ends."""
    total = sum(map(len, parts))
    if fault.cut_after is not None:
        return parts[: fault.cut_after], "cut"
    if fault.cut_after_bytes is not None:
        return first_bytes(parts, fault.cut_after_bytes), "cut"
    if fault.cut_fraction is not None:
        return first_bytes(parts, int(total * fault.cut_fraction)), "cut"
    if fault.missing_bytes:
        return first_bytes(parts, max(0, total - fault.missing_bytes)), "cut"
    if fault.stall_after is not None:
        return parts[: fault.stall_after], "stall"
    return parts, "complete"


def first_bytes(parts: list[bytes], count: int) -> list[bytes]:
    """The first `count` bytes, still in their parts."""
    kept: list[bytes] = []
    for part in parts:
        if count <= 0:
            break
        kept.append(part[:count])
        count -= len(part)
    return kept


def steps(parts: list[bytes], fault: Fault) -> tuple[Step, ...]:
    """One write per part, or per `split` bytes."""
    made: list[Step] = []
    for part in parts:
        size = fault.split or max(1, len(part))
        pieces = [part[start : start + size] for start in range(0, len(part), size)]
        for position, piece in enumerate(pieces):
            delay_s = fault.chunk_delay_s if made else fault.first_chunk_delay_s
            made.append(Step(piece, delay_s, event_done=position == len(pieces) - 1))
    return tuple(made)
