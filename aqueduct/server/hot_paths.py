"""The paths that carry the traffic, looked up before the router; knows no operation."""

from collections.abc import Mapping

from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send


class HotPaths:
    """Answers the paths that carry the traffic by one look into a dictionary, and leaves the others to the router.

    An exception handler around `send`, the check of the host and the routing cost 15-20 us a request (decision record
    0011); the operations tell their own failures and need none of them.
    """

    def __init__(self, hot: Mapping[str, ASGIApp], router: ASGIApp) -> None:
        self.hot = hot
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self.hot.get(scope["path"], self._router)(scope, receive, send)


def hot_paths(app: object) -> Mapping[str, ASGIApp]:
    """Return the handlers that an application's hot paths lead to, none where the router has all of them."""
    handler = app.asgi_handler if isinstance(app, Litestar) else None
    return handler.hot if isinstance(handler, HotPaths) else {}
