"""Prices for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway_fixtures import execute
from running_gateway import RunningGateway
from serving_process import wait_until


@contextmanager
def priced_by(gateway: RunningGateway, statement: str) -> Iterator[RunningGateway]:
    """The gateway with the prices that a statement inserts; without any when left."""
    url = str(gateway.settings.database_url)
    before = gateway.parts.catalog.current.version
    execute(url, statement)
    wait_until(lambda: gateway.parts.catalog.current.version > before, 10.0, "the prices are loaded")
    yield gateway
    before = gateway.parts.catalog.current.version
    execute(url, "DELETE FROM prices")
    wait_until(lambda: gateway.parts.catalog.current.version > before, 10.0, "the prices are gone")
