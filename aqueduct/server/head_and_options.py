"""The methods that the router leaves out: `HEAD` of whatever `GET` answers, and answers to `OPTIONS` that say so.

Probes and monitors ask by `HEAD`; every server that knows `GET` must answer it (RFC 9110, section 9.1).
"""

from collections.abc import Callable
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send


class HeadAndOptions:
    """Stands before the router."""

    def __init__(self, router: ASGIApp, request_ids: Callable[[], str]) -> None:
        self._router = router
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = cast("HTTPScope", scope)["method"]
        if method == "HEAD":
            scope = cast("HTTPScope", {**scope, "method": "GET"})  # the server knows the method, and sends no body
        elif method == "OPTIONS":
            send = self._completing(send)
        await self._router(scope, receive, send)

    def _completing(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:  # errors are complete
                headers = [
                    (name, allowing_head(value.decode()).encode() if name == b"allow" else value)
                    for name, value in message["headers"]
                ]
                message["headers"] = [*headers, (b"x-request-id", self._request_ids().encode())]
            await send(message)

        return sending


def allowing_head(allow: str) -> str:
    """Return a list of methods with `HEAD` where it has `GET`."""
    methods = {name.strip() for name in allow.split(",")}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
