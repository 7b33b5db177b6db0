"""Composes the application: registers the routes and hands them the gateway that the lifespan starts and stops."""

from litestar.config.app import AppConfig
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.plugins import InitPlugin
from typing_extensions import override

from aqueduct.api.chat import CHAT
from aqueduct.api.completions import COMPLETIONS
from aqueduct.api.embeddings import EMBEDDINGS
from aqueduct.api.health import live, metrics, ready
from aqueduct.api.me import me, validate
from aqueduct.api.models import get_model, list_models
from aqueduct.api.ordinary import on_defect, on_gateway_error, on_http_exception
from aqueduct.api.route import OperationRoute
from aqueduct.api.schema import schema
from aqueduct.errors import GatewayError
from aqueduct.lifespan import build_gateway, running
from aqueduct.pipeline.spec import BodyT, ChunkT, RequestT
from aqueduct.settings import Settings

EXPOSED_HEADERS = [
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "retry-after-ms",
    "x-aqueduct-attempts",
    "x-aqueduct-deployment",
    "x-aqueduct-dropped-params",
    "x-aqueduct-model",
    "x-aqueduct-overhead-ms",
    "x-aqueduct-provider",
    "x-aqueduct-usage-source",
    "x-request-id",
]
CORS_MAX_AGE_S = 600


class GatewayPlugin(InitPlugin):
    """The gateway as a Litestar plugin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @override
    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add routes, exception handlers, CORS and the lifespan."""
        gateway = build_gateway(self._settings)
        app_config.state.gateway = gateway
        app_config.lifespan = [running(gateway)]
        app_config.route_handlers += [
            _route(OperationRoute(CHAT, gateway)),
            _route(OperationRoute(COMPLETIONS, gateway)),
            _route(OperationRoute(EMBEDDINGS, gateway)),
        ]
        app_config.route_handlers += [list_models, get_model, me, validate, live, ready, schema]
        if self._settings.metrics:
            app_config.route_handlers.append(metrics)
        app_config.exception_handlers = {
            GatewayError: on_gateway_error,
            HTTPException: on_http_exception,
            Exception: on_defect,
        }
        if self._settings.cors_origins:
            app_config.cors_config = _cors(self._settings)
        return app_config


def _route(route: OperationRoute[RequestT, BodyT, ChunkT]) -> ASGIRouteHandler:
    return asgi([route.path.removeprefix("/v1"), route.path], copy_scope=False)(route.handle)


def _cors(settings: Settings) -> CORSConfig:
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["*"],
        allow_credentials=False,
        expose_headers=EXPOSED_HEADERS,
        max_age=CORS_MAX_AGE_S,
    )
