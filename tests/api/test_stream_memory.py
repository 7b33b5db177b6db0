"""A stream keeps nothing of the request that it answers, which may be a thousand times as long, and shorter-lived."""

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Raw

from adapters.base import ReasoningBack
from aqueduct.api import route as route_module
from aqueduct.api.chat import CHAT
from aqueduct.api.event_stream import EventStream
from aqueduct.api.route import OperationRoute
from aqueduct.ids import RequestIds
from aqueduct.observability.metrics import Metrics
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.execute import OpenStream
from aqueduct.server.body_budget import BodyBudget
from aqueduct.vault.states import StreamedState
from schemas.chat_request import ChatRequest
from tests.api.test_event_stream import Reservation, Upstream, chunk

BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'


class Body(bytes):
    """Tells when nobody holds it any more."""

    gone = 0

    def __del__(self) -> None:
        Body.gone += 1


@pytest.mark.parametrize("scope", ["always", "with_calls"])
async def test_open_stream_does_not_hold_its_request(scope: ReasoningBack) -> None:
    request, _ = CHAT.decoder.decode(BODY)
    context = RequestContext(RequestIds()(), "/v1/chat/completions", "chat")
    opened: Any = OpenStream((chunk(),), Upstream(), Reservation())  # type: ignore[arg-type]  # what is used
    gateway: Any = SimpleNamespace(metrics=Metrics())
    before = sys.getrefcount(request)

    state = StreamedState(request, scope)
    stream = EventStream(gateway, CHAT, request, context, opened)

    assert sys.getrefcount(request) == before
    del stream, state


async def test_route_lets_go_of_the_body_once_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    Body.gone = 0
    held: list[int] = []

    class Stream:
        def __init__(self, *_: object) -> None: ...

        async def run(self, *_: object) -> None:
            held.append(Body.gone)

    async def opened(_: object, __: object, request: ChatRequest, ___: Mapping[str, Raw], ____: object) -> None:
        del request
        held.append(Body.gone)

    bodies = BodyBudget()
    gateway: Any = SimpleNamespace(
        request_ids=RequestIds(), inflight=0, bodies=bodies, pipeline=None,
        settings=SimpleNamespace(keepalive_ping_s=60.0),
    )  # fmt: skip
    route = OperationRoute(CHAT, gateway)
    monkeypatch.setattr(route_module, "authenticate", lambda *_: None)
    monkeypatch.setattr(route_module, "close_request", lambda *_: None)
    monkeypatch.setattr(route_module, "execute_stream", opened)
    monkeypatch.setattr(route_module, "EventStream", Stream)
    monkeypatch.setattr(route, "_arrived", lambda *_: Body(BODY))
    scope: Any = {"type": "http", "method": "POST", "headers": []}
    sent: list[object] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    await route.handle(scope, receive, send)

    assert (held, sent) == ([1, 1], [])
