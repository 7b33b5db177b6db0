"""Lets browser clients of the operator's origins in; knows no path. Requests without an origin pass untouched.

Credentials are tokens in headers and never cookies, so no answer allows credentials, and `*` may stand among the
exposed headers. See <https://fetch.spec.whatwg.org/#http-cors-protocol> (checked 2026-11-27).
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from aqueduct.api.errors import encode_error, from_gateway
from aqueduct.errors import ErrorType, GatewayError

Headers = list[tuple[bytes, bytes]]
MAX_AGE_S: Final = 600
_EXPOSED: Final = (
    b"*",  # also `llm_provider-...`, whose names the providers choose; the others for browsers that know no `*`
    b"openai-organization",
    b"openai-processing-ms",
    b"openai-version",
    b"retry-after",
    b"retry-after-ms",
    b"x-aqueduct-attempts",
    b"x-aqueduct-budget-remaining",
    b"x-aqueduct-cost",
    b"x-aqueduct-deployment",
    b"x-aqueduct-dropped-params",
    b"x-aqueduct-model",
    b"x-aqueduct-overhead-ms",
    b"x-aqueduct-provider",
    b"x-aqueduct-schema-valid",
    b"x-aqueduct-usage-source",
    b"x-ratelimit-limit-requests",
    b"x-ratelimit-limit-tokens",
    b"x-ratelimit-remaining-requests",
    b"x-ratelimit-remaining-tokens",
    b"x-ratelimit-reset-requests",
    b"x-ratelimit-reset-tokens",
    b"x-request-id",
    b"x-should-retry",
)
_VARY: Final = (b"vary", b"origin")
_EXPOSE: Final = (b"access-control-expose-headers", b", ".join(_EXPOSED))
_PREFLIGHT: Final = (
    _VARY,
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-max-age", b"%d" % MAX_AGE_S),
)
_REFUSED: Final = "This gateway does not take requests of web pages from your origin. Ask your administrator."


class Cors:
    """Stands before the application. An origin may hold one `*` for any host below another; `*` alone is any origin."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], request_ids: Callable[[], str]) -> None:
        self._app = app
        self._any = "*" in origins
        self._allowed = re.compile("|".join(_pattern(origin) for origin in origins).encode()).fullmatch
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or add what the browser wants to see to the answer of the application."""
        wanted = {name: value for name, value in scope["headers"] if name in _READ}
        origin = wanted.get(b"origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif cast("HTTPScope", scope)["method"] == "OPTIONS" and b"access-control-request-method" in wanted:
            await self._preflight(origin, wanted.get(b"access-control-request-headers"), send)
        else:
            await self._app(scope, receive, _adding([*self._shared_with(origin), _EXPOSE, _VARY], send))

    def _shared_with(self, origin: bytes) -> Headers:
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin)] if self._allowed(origin) else []

    async def _preflight(self, origin: bytes, asked: bytes | None, send: Send) -> None:
        allowed = self._shared_with(origin)
        if not allowed:
            error = from_gateway(
                GatewayError(
                    403, "origin_not_allowed", _REFUSED, kind=ErrorType.POLICY_DENIED, error_type="permission_error"
                )
            )
            body = encode_error(error.body)
            length = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), _VARY]
            await self._answer(error.status, length, body, send)
            return
        headers = [*allowed, *_PREFLIGHT]
        if asked:
            headers.append((b"access-control-allow-headers", asked))  # `*` would leave out `authorization`
        await self._answer(204, headers, b"", send)

    async def _answer(self, status: int, headers: Headers, body: bytes, send: Send) -> None:
        headers = [(b"x-request-id", self._request_ids().encode()), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


_READ: Final = frozenset({b"origin", b"access-control-request-method", b"access-control-request-headers"})


def _pattern(origin: str) -> str:
    return re.escape(origin.rstrip("/")).replace(r"\*", r"[A-Za-z0-9.-]+")


def _adding(added: Headers, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return sending
