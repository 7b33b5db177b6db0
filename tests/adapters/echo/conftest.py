"""The echo model at a fixed time."""

import pytest

from adapters.echo import EchoAdapter


@pytest.fixture
def echo() -> EchoAdapter:
    return EchoAdapter(None, clock=lambda: 1_760_000_000.5)
