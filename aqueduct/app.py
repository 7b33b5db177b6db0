"""Builds the Litestar application from settings; everything that it holds is made here and injected."""

import os

from litestar import Litestar

from aqueduct.plugin import GatewayPlugin
from aqueduct.settings import Settings, load_settings, read_environment


def create_app(settings: Settings | None = None) -> Litestar:
    """Return the gateway's application; settings default to the environment's."""
    if settings is None:
        settings = load_settings(read_environment(os.environ))
    plugin = GatewayPlugin(settings)
    app = Litestar(plugins=[plugin], openapi_config=None, logging_config=None)
    plugin.shorten(app)
    return app
