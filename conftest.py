"""Settings that every test run shares; it must not know any package of the product."""

import ipaddress
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

from tests.golden import Golden

# The same examples on every run: a red build can be repeated, and a slow machine is not a failure.
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# New examples on every run, many of them: `HYPOTHESIS_PROFILE=search make test` looks for new failures.
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


class OutsideConnectionError(RuntimeError):
    """A test tried to reach something that is not this machine."""


def is_outside(host: object) -> bool:
    """Whether a host is neither this machine nor a name that can never exist (`.invalid`, RFC 2606)."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in {"", "localhost"} or name.endswith(".invalid"):
        return False
    try:
        return not ipaddress.ip_address(name).is_loopback
    except ValueError:
        return True


def refuse_outside_connections(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: fail a test that connects or resolves beyond loopback instead of letting it hang or pass."""
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a string is a Unix socket's path
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if is_outside(host):
        raise OutsideConnectionError(f"tests talk to loopback only, not to {host!r}")


def pytest_configure() -> None:
    """Install the guard; an audit hook stays until the process ends."""
    sys.addaudithook(refuse_outside_connections)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what compares with golden files, so that `make golden` runs that and nothing else."""
    for item in items:
        if isinstance(item, pytest.Function) and "golden" in item.fixturenames:
            item.add_marker("golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare with files in the folder `golden` beside the test, or rewrite them under `make golden`."""
    return Golden(request.path.parent / "golden", write=os.environ.get("AQUEDUCT_GOLDEN") == "write")
