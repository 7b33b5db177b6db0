"""Composes the application: registers the routes and hands them the gateway that the lifespan starts and stops."""

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.exceptions import HTTPException
from litestar.handlers import asgi
from litestar.plugins import InitPlugin
from litestar.types import ASGIApp
from typing_extensions import override

from aqueduct.api.chat import CHAT
from aqueduct.api.completions import COMPLETIONS
from aqueduct.api.cors import Cors
from aqueduct.api.embeddings import EMBEDDINGS
from aqueduct.api.health import live, metrics, ready
from aqueduct.api.me import accept_terms, me, validate
from aqueduct.api.models import get_model, list_models
from aqueduct.api.ordinary import on_defect, on_gateway_error, on_http_exception
from aqueduct.api.requests import explain_request
from aqueduct.api.rerank import RERANK
from aqueduct.api.route import OperationRoute
from aqueduct.api.schema import schema
from aqueduct.api.usage import usage
from aqueduct.errors import GatewayError
from aqueduct.lifespan import build_gateway, running
from aqueduct.pipeline.spec import BodyT, ChunkT, RequestT
from aqueduct.server.head_and_options import HeadAndOptions
from aqueduct.server.hot_paths import HotPaths
from aqueduct.settings import Settings


class GatewayPlugin(InitPlugin):
    """The gateway as a Litestar plugin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hot: dict[str, ASGIApp] = {}

    @override
    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add routes, exception handlers and the lifespan."""
        gateway = build_gateway(self._settings)
        app_config.state.gateway = gateway
        app_config.state.settings = self._settings  # for the server's protocol, which knows no gateway
        app_config.lifespan = [running(gateway)]
        self._add(app_config, OperationRoute(CHAT, gateway))
        self._add(app_config, OperationRoute(COMPLETIONS, gateway))
        self._add(app_config, OperationRoute(EMBEDDINGS, gateway))
        self._add(app_config, OperationRoute(RERANK, gateway))
        app_config.route_handlers += [list_models, get_model, usage, explain_request]
        app_config.route_handlers += [me, accept_terms, validate, live, ready, schema]
        if self._settings.metrics:
            app_config.route_handlers.append(metrics)
        app_config.exception_handlers = {
            GatewayError: on_gateway_error,
            HTTPException: on_http_exception,
            Exception: on_defect,
        }
        return app_config

    def shorten(self, app: Litestar) -> None:
        """Let the hot paths skip what wraps the router; the requests of browsers pass `Cors` first."""
        request_ids = app.state.gateway.request_ids
        app.asgi_handler = HotPaths(self._hot, HeadAndOptions(app.asgi_handler, request_ids))
        if self._settings.cors_origins:
            app.asgi_handler = Cors(app.asgi_handler, self._settings.cors_origins, request_ids)

    def _add(self, app_config: AppConfig, route: OperationRoute[RequestT, BodyT, ChunkT]) -> None:
        paths = [route.path.removeprefix("/v1"), route.path]
        app_config.route_handlers.append(asgi(paths, copy_scope=False)(route.handle))
        self._hot |= dict.fromkeys(paths, route.handle)
