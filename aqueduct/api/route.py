"""Builds the ASGI-level handler of an operation: the hot path from bytes to bytes.

An ordinary Litestar handler with dependency injection costs 150-200 us a request, an ASGI route 74; so the operations
that carry the traffic are ASGI routes, and everything else is an ordinary handler.
"""

import asyncio
import logging
from typing import Final, Generic, cast

import msgspec
from litestar.types import HTTPScope, Receive, Scope, Send

from adapters.errors import ProviderError
from aqueduct.api.authentication import authenticate
from aqueduct.api.closing import close_request, note_provider_failure
from aqueduct.api.early_head import EarlyHead
from aqueduct.api.errors import WireError, encode_error, from_gateway, from_provider, internal_error
from aqueduct.api.event_stream import EventStream, last_events
from aqueduct.api.gateway import Gateway
from aqueduct.api.headers import Headers, as_headers, client_request_id, json_head, note_wishes, relevant
from aqueduct.errors import ErrorType, GatewayError, overloaded, shutting_down
from aqueduct.limits.telling import LimitReachedError
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.execute import execute, execute_stream
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationSpec, RequestT, wants_stream
from aqueduct.server.body import ClientGoneError, arrived_json_body, read_body
from aqueduct.server.body_budget import BodyLease
from aqueduct.server.direct_write import write_whole
from aqueduct.server.disconnect import DisconnectWatch
from aqueduct.server.turnstile import LARGE_BYTES

CLIENT_CLOSED_REQUEST: Final = 499
logger = logging.getLogger("aqueduct.api")
_encode = msgspec.json.Encoder().encode


class OperationRoute(Generic[RequestT, BodyT, ChunkT]):
    """The ASGI application of one operation on one path."""

    def __init__(self, spec: OperationSpec[RequestT, BodyT, ChunkT], gateway: Gateway) -> None:
        self._spec = spec
        self._gateway = gateway
        self.path = f"/v1{spec.path}"

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, it is closed exactly once."""
        http = cast("HTTPScope", scope)
        gateway = self._gateway
        context = RequestContext(gateway.request_ids(), self.path, self._spec.name)
        gateway.inflight += 1
        watch: DisconnectWatch | None = None
        lease = BodyLease(gateway.bodies)
        try:
            if http["method"] != "POST":
                raise _method_not_allowed()
            headers = relevant(http["headers"])
            context.client_request_id = client_request_id(headers)
            context.principal = authenticate(gateway, headers)
            note_wishes(headers, context)
            body = self._arrived(headers, receive, lease)
            if body is None:
                body = await self._read(receive, lease, context)
            watch = DisconnectWatch(receive)
            bodies = [body]  # taken out by the next stage: a stream may last much longer than its request is needed
            del body
            await self._answer(bodies, context, send, watch, lease)
        except GatewayError as error:
            context.failure_reason = error.code
            if isinstance(error, LimitReachedError):
                context.note_refusal(error.refused)
            await self._fail(from_gateway(error), context, send)
        except ProviderError as error:
            note_provider_failure(context, error)
            await self._fail(from_provider(error), context, send)
        except ClientGoneError:
            context.status, context.error_kind = CLIENT_CLOSED_REQUEST, ErrorType.CALLER_DISCONNECTED
        except asyncio.CancelledError:
            _forgive_cancellation()
            await self._after_cancellation(context, watch, send)
        except Exception:  # the boundary of an attempt: a defect of ours is told, counted and logged
            logger.exception("request_failed request_id=%s", context.request_id)
            await self._fail(internal_error(), context, send)
        finally:
            lease.release()
            if watch is not None:
                watch.stop()
            gateway.inflight -= 1
            close_request(gateway, context)

    def _arrived(self, headers: Headers, receive: Receive, lease: BodyLease) -> bytes | None:
        """Return the body where all of it is there already, as nearly always; None where it has to be read."""
        gateway = self._gateway
        if gateway.recorder.is_full or gateway.draining:
            raise overloaded()
        return arrived_json_body(headers, receive, lease, max_bytes=gateway.settings.max_body_bytes)

    async def _read(self, receive: Receive, lease: BodyLease, context: RequestContext) -> bytes:
        gateway = self._gateway
        settings = gateway.settings
        pieces, size, context.waited_s = await read_body(
            receive, lease, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
        )
        if len(pieces) == 1:
            return pieces[0]
        if size >= LARGE_BYTES:
            await gateway.turnstile.turn()
        return b"".join(pieces)

    async def _answer(
        self, bodies: list[bytes], context: RequestContext, send: Send, watch: DisconnectWatch, lease: BodyLease
    ) -> None:
        spec, gateway = self._spec, self._gateway
        body = bodies.pop()
        is_large = len(body) >= LARGE_BYTES
        if is_large:
            await gateway.turnstile.turn()
        request, extra_params = spec.decoder.decode(body)
        del body  # the request holds all that is needed of it
        context.requested_model = request.model
        context.client_user = request.user
        spec.validate(request)
        if is_large:
            await gateway.turnstile.turn()
        if spec.stream is not None and wants_stream(request):
            context.streamed = True
            early = EarlyHead(send, context, gateway.settings.keepalive_ping_s)
            try:
                opened = await execute_stream(gateway.pipeline, spec, request, extra_params, context)
            except BaseException:  # raised again
                await early.stop()
                raise
            stream = EventStream(gateway, spec, request, context, opened)
            del request, extra_params
            lease.release()
            await stream.run(send, watch, early.stop)
            return
        result = await execute(gateway.pipeline, spec, request, extra_params, context)
        data = _encode(result.body)
        context.status = 200
        head = json_head(context, len(data))
        if not write_whole(send, head, data):
            await send({"type": "http.response.start", "status": 200, "headers": as_headers(head)})
            await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _fail(self, wire: WireError, context: RequestContext, send: Send) -> None:
        begun = context.status == 200
        context.error_kind = wire.kind
        if begun:
            if context.begun_early:
                await send({"type": "http.response.body", "body": last_events(wire), "more_body": False})
            return  # else the head is out, and the connection is closed by the server
        context.status = wire.status
        data = encode_error(wire.body)
        headers = [*as_headers(json_head(context, len(data))), *wire.headers()]
        await send({"type": "http.response.start", "status": wire.status, "headers": headers})
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _after_cancellation(self, context: RequestContext, watch: DisconnectWatch | None, send: Send) -> None:
        """Note why a request was cancelled: its client has left, or the server is about to end."""
        if (watch is not None and watch.gone) or context.error_kind is ErrorType.CALLER_DISCONNECTED:
            context.status, context.error_kind = CLIENT_CLOSED_REQUEST, ErrorType.CALLER_DISCONNECTED
            return
        begun = context.status == 200
        await self._fail(from_gateway(shutting_down()), context, send)
        if begun:
            context.status = 503


def _forgive_cancellation() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def _method_not_allowed() -> GatewayError:
    message = "This endpoint takes POST requests only."
    return GatewayError(405, "method_not_allowed", message, kind=ErrorType.CALLER_INVALID_REQUEST, allow="POST")
