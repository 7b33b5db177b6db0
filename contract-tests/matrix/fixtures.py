"""The gateway in front of every adapter's mock, and one conversation with it."""

from collections.abc import Iterator

import pytest
from gateway_fixtures import Mocks, fresh_database
from running_gateway import ORGANISATION, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings
from matrix.behaviours import MARK
from matrix.subjects import Subject, configuration
from matrix.talk import Talk


@pytest.fixture(scope="session")
def matrix_gateway(
    gateway_cluster: Cluster, session_mocks: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """One gateway with every adapter, which tries nothing twice."""
    url = fresh_database(gateway_cluster, "matrix")
    apply_yaml(url, ORGANISATION + configuration(session_mocks), tmp_path_factory.mktemp("matrix"))
    settings = Settings(database_url=url, usage_flush_s=0.05, max_attempts=1, keepalive_ping_s=60.0)
    with running_gateway(settings) as gateway:
        yield gateway


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """The adapter of this run of a behaviour."""
    found: Subject = request.param
    return found


@pytest.fixture
def talk(request: pytest.FixtureRequest, matrix_gateway: RunningGateway, mocks: Mocks, subject: Subject) -> Talk:
    """A conversation with it."""
    mark = request.node.get_closest_marker(MARK)
    return Talk(matrix_gateway, mocks, subject, mark.args[2].get(subject.name))
