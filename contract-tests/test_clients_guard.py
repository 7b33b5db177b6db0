"""A client's program cannot leave the machine, and a run in which one wanted to fails."""

import json
import socket
from collections.abc import Iterator

import client_programs
import pytest
from client_programs import REFUSED_BY_GUARD, observe, run_program

KINDS = {"node": "guard/escape.mjs", "python": "guard/escape.py", "litellm": "guard/escape.py"}


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_program_reaches_nothing_but_this_machine(port: int, kind: str) -> None:
    done = run_program(KINDS[kind], str(port), kind=kind)

    reached = json.loads(done.stdout)
    assert {name for name, came_through in reached.items() if came_through} == {"loopback"}
    assert done.stderr.count(REFUSED_BY_GUARD) == len(reached) - 1


def test_run_in_which_a_client_wanted_to_leave_fails(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        client_programs, "run_program", lambda *_: run_program(KINDS["python"], str(port), kind="python")
    )

    with pytest.raises(AssertionError, match="wants to leave the machine"):
        observe("python/any.py", "", "", ())
