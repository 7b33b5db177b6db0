"""Runs the application under uvicorn on a socket that is bound already; knows no route and no database.

SIGTERM and SIGINT stop accepting, give open requests the time of AQUEDUCT_DRAIN_S to end, then end the process with
exit code 0; what the caller has opened (an embedded database) is closed after that.
"""

import logging
import math
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from aqueduct.observability.logging import log_config
from aqueduct.settings import Settings

KEEP_ALIVE_S: Final = 75
"""Longer than the 60 s after which common load balancers drop an idle connection, so that they do it first."""
BACKLOG: Final = 2048
APPLICATION: Final = "aqueduct.app:create_app"
PROTOCOL: Final = "aqueduct.server.hot_protocol:HotHttpProtocol"
METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
logger = logging.getLogger("aqueduct")


@contextmanager
def bound_socket(settings: Settings) -> Generator[socket.socket]:
    """Yield a listening socket at the address of the settings; raises `click.ClickException` where it is taken."""
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Stop what listens there, or choose "
            "another place with AQUEDUCT_HOST and AQUEDUCT_PORT."
        ) from error
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """Return the URL at which a listening socket is reached from this machine."""
    bound: tuple[str, int] = listener.getsockname()[:2]
    host, port = bound
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal ends it; raises `click.ClickException` where the application does not start.

    The application reads its settings from the environment, in each worker process.
    """
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        workers=settings.workers,
        loop="auto" if sys.platform == "win32" else "uvloop",
        http=PROTOCOL,
        ws="none",
        lifespan="on",
        log_config=log_config(settings),
        log_level=settings.log_level,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
    )
    logger.info("Aqueduct listens on %s", address(listener))
    with _metrics_folder(settings.workers):
        if settings.workers > 1:
            supervisor = Multiprocess(config, sockets=[listener])
            supervisor.run()
            started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listener])
            started = server.started
    if not started:
        raise click.ClickException("The gateway did not start; the reason is above.")


@contextmanager
def _metrics_folder(workers: int) -> Generator[None]:
    """Give several workers a private folder to count in together; two instances in one would add up their metrics."""
    os.environ.pop(METRICS_FOLDER, None)
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aqueduct-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[METRICS_FOLDER]


@contextmanager
def orderly_exit() -> Generator[None]:
    """Turn SIGTERM and Ctrl-C into leaving the block, so that what was opened in it is closed.

    uvicorn handles both itself while it serves, and raises them again when it has ended.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
