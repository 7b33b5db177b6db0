"""The HTTP/1.1 client as adapters have it."""

from collections.abc import AsyncIterator

import pytest

from adapters.http1 import Http1Transport


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    transport = Http1Transport()
    yield transport
    await transport.aclose()
