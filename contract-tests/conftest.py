"""Fixtures of the provider mocks; it must not know how the gateway is started."""

from collections.abc import Iterator

import pytest
from gateway_fixtures import gateway, gateway_cluster, mocks, own_cluster, session_gateway, session_mocks
from llama_fixtures import llama, llama_client, llama_direct, llama_embedder, llama_gateway
from matrix.fixtures import matrix_gateway, subject, talk
from matrix.plugin import matrix
from portability import start
from replay_summary import pytest_collection_modifyitems, pytest_terminal_summary
from upstreams import Anthropic, Azure, Google, OpenAI, Upstream

__all__ = [
    "gateway", "gateway_cluster", "llama", "llama_client", "llama_direct", "llama_embedder", "llama_gateway",
    "matrix_gateway", "mocks", "own_cluster", "pytest_collection_modifyitems", "pytest_terminal_summary",
    "session_gateway", "session_mocks", "start", "subject", "talk",
]  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Collect the conformance matrix."""
    config.pluginmanager.register(matrix(), "conformance matrix")


def served(upstream: Upstream) -> Iterator[Upstream]:
    """Serve for one test; what no provider would do fails it."""
    with upstream:
        yield upstream
    assert upstream.problems == []


@pytest.fixture
def openai_upstream() -> Iterator[Upstream]:
    yield from served(Upstream(OpenAI()))


@pytest.fixture
def azure_upstream() -> Iterator[Upstream]:
    yield from served(Upstream(Azure()))


@pytest.fixture
def anthropic_upstream() -> Iterator[Upstream]:
    yield from served(Upstream(Anthropic()))


@pytest.fixture
def google_upstream() -> Iterator[Upstream]:
    yield from served(Upstream(Google()))
