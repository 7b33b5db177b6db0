"""A streamed answer: sends it, and owns settling it, whichever way it ends."""

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Generic

import msgspec
from litestar.types import Send

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.closing import note_provider_failure
from aqueduct.api.errors import WireError, encode_error, from_gateway, from_provider, internal_error
from aqueduct.api.gateway import Gateway
from aqueduct.api.headers import as_headers, stream_head
from aqueduct.errors import ErrorType, shutting_down
from aqueduct.limits.estimate import CHARS_PER_TOKEN
from aqueduct.pipeline.attempt_log import note_cost
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.execute import OpenStream
from aqueduct.pipeline.meter import settled_usage
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationSpec, RequestT, answers, wants_usage
from aqueduct.pipeline.unreported import taken_by, with_taken
from aqueduct.server.direct_write import DirectWrite, begin_stream, direct_write
from aqueduct.server.disconnect import DisconnectWatch
from aqueduct.usage.pricing import to_text
from schemas.chat_response import CompletionUsage
from schemas.usage import Usage

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"
CLOSE_TIMEOUT_S: Final = 2.0
_encode = msgspec.json.Encoder().encode


def last_events(wire: WireError) -> bytes:
    """Return how a failure ends a stream."""
    return b"data: %b\n\n" % encode_error(wire.body) + DONE


class EventStream(Generic[RequestT, BodyT, ChunkT]):
    """One open stream. It keeps nothing of the request, which may be long: the stream may last much longer.

    Times are in seconds of the event loop's clock: `last_sent` of the last write, `sending_since` of a write in
    progress (0: none).
    """

    __slots__ = (
        "_abandoned",
        "_allowed_chars",
        "_answers",
        "_begun",
        "_beyond",
        "_complete",
        "_context",
        "_direct",
        "_finished",
        "_first",
        "_gateway",
        "_include_usage",
        "_last_chunk",
        "_loop",
        "_model",
        "_opened",
        "_output_chars",
        "_prompt_chars",
        "_send",
        "_settled",
        "_spec",
        "_taken",
        "_task",
        "_within_chars",
        "last_sent",
        "sending_since",
    )

    def __init__(
        self,
        gateway: Gateway,
        spec: OperationSpec[RequestT, BodyT, ChunkT],
        request: RequestT,
        context: RequestContext,
        opened: OpenStream[ChunkT],
    ) -> None:
        self._gateway = gateway
        self._spec = spec
        self._context = context
        self._opened = opened
        self._model = request.model
        self._answers = answers(request)
        self._taken = taken_by(spec, request, context)
        self._include_usage = wants_usage(request)
        self._prompt_chars = spec.prompt_chars(request)
        self._output_chars = 0
        self._allowed_chars = self._bound()
        self._finished: set[int] = set()
        self._beyond: list[bytes] = []
        self._within_chars = 0
        self._last_chunk: ChunkT | None = None
        self._first = b""
        self._send: Send | None = None
        self._direct: DirectWrite | None = None
        self._settled = False
        self._begun = False
        self._complete = False
        self._abandoned = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self.last_sent = self._loop.time()
        self.sending_since = 0.0

    async def run(self, send: Send, watch: DisconnectWatch, begin: Callable[[], Awaitable[None]] | None = None) -> None:
        """Send the stream to its end and settle it; `begin` is awaited first, for what is being sent already.

        On cancellation it is settled, and a client that `watch` has not seen leave is told why its stream ends.
        """
        self._send = send
        context = self._context
        context.status = 200
        try:
            if begin is not None:
                await begin()
            if context.begun_early:
                context.begun_early = False  # from here on the stream tells its failures itself
            elif not begin_stream(send, head := stream_head(context)):
                await send({"type": "http.response.start", "status": 200, "headers": as_headers(head)})
            self._begun = True
            self._direct = direct_write(send)
            self._gateway.stream_watch.add(self)
            failure = await self._relay()
            if self._opened.form is not None and failure is None:
                await self._opened.form.conclude()
            # settled before the last write: a client that has read to the end finds its usage recorded
            last = self._settle(failure)
            self._gateway.stream_watch.discard(self)
            self._complete = True
            await send({"type": "http.response.body", "body": self._first + last, "more_body": False})
            watch.stop()  # to the server, a complete answer looks like a client that has left
        except asyncio.CancelledError:
            if not (watch.gone or self._abandoned):
                await self._break_off(send, from_gateway(shutting_down()))
            raise
        except Exception:  # a defect of ours: the client is told, then the route counts and logs it
            await self._break_off(send, internal_error())
            raise
        finally:
            self._gateway.stream_watch.discard(self)
            self._settle(None)
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._opened.stream.aclose()

    async def ping(self) -> None:
        """Send a comment, so that nobody between takes the silence for an end."""
        if not self._complete:
            await self._write(PING)

    def abandon(self) -> None:
        """End the stream: its client does not read, which counts as gone."""
        self._abandoned = True
        self._context.error_kind = ErrorType.CALLER_DISCONNECTED
        if self._task is not None:
            self._task.cancel()

    async def _break_off(self, send: Send, wire: WireError) -> None:
        """Settle, and end the answer with an error event: it is the gateway that ends the stream early."""
        self._settle(None)
        self._gateway.stream_watch.discard(self)
        if self._complete or not self._begun:
            return
        self._complete = True
        last = self._first + last_events(wire)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _relay(self) -> ProviderError | None:
        """Send all chunks; returns what broke the stream off, if anything did."""
        stream = self._opened.stream
        begun = time.perf_counter()
        try:
            held, self._opened.held = self._opened.held, ()
            if not await self._sent(held):
                return None
            del held
            if self._direct is not None:
                while not await stream.push(self._take) or self._beyond:
                    if not await self._may_go_on():
                        break
                    await self._write(b"")  # returns once the client has caught up
                return None
            async for chunks in stream:
                if not await self._sent(chunks):
                    break
        except ProviderError as error:
            return error
        finally:
            self._context.waited_s += time.perf_counter() - begun
        return None

    def _take(self, chunks: Sequence[ChunkT]) -> bool:
        """Send chunks from where they arrive; False where the client does not keep up, or limits must be asked."""
        direct = self._direct
        if direct is None:
            raise TypeError
        self.last_sent = self._loop.time()
        before = self._output_chars
        events = self._events(chunks)
        if self._output_chars > self._allowed_chars and self._is_open:
            fitting = self._within(chunks, events, before)
            if fitting or self._first:
                direct(self._first + fitting)
                self._first = b""
            return False
        data = self._first + b"".join(events)
        self._first = b""
        return direct(data) if data else True

    async def _sent(self, chunks: Sequence[ChunkT]) -> bool:
        """Send chunks; False where the answer ends here by its limits."""
        before = self._output_chars
        events = self._events(chunks)
        if self._output_chars > self._allowed_chars and self._is_open:
            await self._write(self._within(chunks, events, before))
            return await self._may_go_on()
        data = b"".join(events)
        if self._opened.stream.finished and self._direct is not None and self._opened.form is None:
            self._first += data  # all of it has arrived at once: it leaves in one write, when it is settled
        else:
            await self._write(data)
        return True

    def _bound(self) -> int:
        """Return how many characters the answer may have by what is reserved for it."""
        reservation = self._opened.reservation
        if reservation is None or reservation.max_output is None:
            return sys.maxsize
        return int(reservation.max_output * CHARS_PER_TOKEN)

    @property
    def _is_open(self) -> bool:
        """Whether a choice has not ended yet."""
        return len(self._finished) < self._answers

    def _within(self, chunks: Sequence[ChunkT], events: list[bytes], chars: int) -> bytes:
        """Return what of the chunks stays within the reservation, and keep the rest; `chars` came before them."""
        stream_spec = self._spec.stream
        fitting = 0
        for chunk in chunks if stream_spec is not None else ():
            more = 0 if stream_spec is None else stream_spec.content_chars(chunk)
            if chars + more > self._allowed_chars:
                break
            chars += more
            fitting += 1
        self._beyond, self._within_chars = events[fitting:], chars
        return b"".join(events[:fitting])

    async def _may_go_on(self) -> bool:
        """Reserve more for an answer that has outgrown its reservation; where there is no more, it ends here."""
        reservation, beyond = self._opened.reservation, self._beyond
        if not beyond or reservation is None:
            return True
        self._beyond = []
        if await reservation.extend(math.ceil(self._output_chars / CHARS_PER_TOKEN)):
            self._allowed_chars = self._bound()
            await self._write(b"".join(beyond))
            return True
        self._output_chars = self._within_chars
        like, stream_spec = self._last_chunk, self._spec.stream
        left = set(range(self._answers)) - self._finished
        if like is not None and stream_spec is not None:
            await self._write(b"".join(self._events((stream_spec.cut(like, sorted(left)),))))
        return False

    async def _write(self, data: bytes) -> None:
        if self._send is None:
            return
        data, self._first = self._first + data, b""
        self.sending_since = self.last_sent = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.sending_since = 0.0

    def _events(self, chunks: Sequence[ChunkT]) -> list[bytes]:
        stream_spec = self._spec.stream
        if stream_spec is None:
            raise TypeError
        events: list[bytes] = []
        model, kept, form = self._model, self._opened.kept, self._opened.form
        mask_usage = stream_spec.mask_usage if self._include_usage else None
        content_chars, finish_reason = stream_spec.content_chars, stream_spec.finish_reason
        output_chars = 0
        for chunk in chunks:
            chunk.model = model
            if mask_usage is not None:
                mask_usage(chunk)
            output_chars += content_chars(chunk)
            reason = finish_reason(chunk)
            if kept is not None:
                kept.feed(chunk)
            if form is not None:
                form.collector.feed(chunk)
            if reason is not None:
                self._context.finish_reason = reason
                self._finished.update(stream_spec.choices(chunk))
                if kept is not None:
                    kept.keep()  # before the client can come back with the calls
            events.append(b"data: %b\n\n" % _encode(chunk))
        if chunks:
            self._output_chars += output_chars
            self._last_chunk = chunks[-1]
        return events

    def _settle(self, failure: ProviderError | None) -> bytes:
        """Book what was consumed, once; returns the stream's last bytes."""
        if self._settled:
            return b""
        self._settled = True
        context, stream = self._context, self._opened.stream
        context.upstream_id = stream.upstream_id
        context.upstream_model = stream.upstream_model or context.upstream_model
        context.native_finish_reason = stream.native_finish_reason
        reported = stream.usage
        answered = settled_usage(
            reported,
            finished=stream.finished,
            prompt_chars=self._prompt_chars,
            output_chars=self._output_chars,
        )
        if answered is not reported:
            answered = with_taken(answered, self._taken, context)
        context.answered = answered
        context.usage = context.with_spent(answered)
        context.service_tier = getattr(self._last_chunk, "service_tier", None) or answered.service_tier
        note_cost(context)
        if self._opened.reservation is not None:
            self._opened.reservation.settle(context.usage)
        if failure is not None:
            return self._failure_bytes(from_provider(failure), failure)
        return self._usage_bytes(answered) + DONE

    def _failure_bytes(self, wire: WireError, failure: ProviderError) -> bytes:
        self._context.error_kind = wire.kind
        note_provider_failure(self._context, failure)
        self._gateway.metrics.attempt(self._context.deployment_id or "", ErrorKind(failure.kind).value)
        return last_events(wire)

    def _usage_bytes(self, usage: Usage) -> bytes:
        like = self._last_chunk
        if not self._include_usage or like is None or self._spec.stream is None:
            return b""
        chunk = self._spec.stream.usage_chunk(like, usage)
        shown = getattr(chunk, "usage", None)
        if self._context.include_cost and self._context.cost is not None and isinstance(shown, CompletionUsage):
            shown.aqueduct_cost = to_text(self._context.cost)
        if self._opened.form is not None:
            self._opened.form.told(chunk)
        return b"data: %b\n\n" % _encode(chunk)
