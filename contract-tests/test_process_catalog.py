"""A catalog of 100,000 tokens, 10,000 teams and 1,000 models: how long a start takes, what a request and it all cost.

Time is counted in CPU seconds, which a busy machine stretches less than the clock.
"""

import itertools
import random
from pathlib import Path

import pytest
from gateway_fixtures import execute, fresh_database
from raw_http import Connection
from serving_process import ServingProcess, chat_request, resident_kb, serving

from aqueduct.db.cluster import Cluster
from bench.history import Size, catalog_script
from bench.processes import cpu_s

LARGE = Size()
SMALL = Size(orgs=1, teams=1, tokens=2, models=1)
LOAD_CPU_S = 4.0
"""What the catalog may add to a start, which is to take five seconds in all."""
REQUESTS = 1_000
_numbers = itertools.count(1)
pytestmark = pytest.mark.timeout(240)


def cpu_us_of_a_request(process: ServingProcess, size: Size, seed: int) -> float:
    """Ask with ever another token. The models are few: the first request for one makes its metrics."""
    chance = random.Random(seed)
    with Connection(process.port) as connection:
        before = 0.0
        for number in range(REQUESTS + 100):
            if number == 100:
                before = cpu_s(process.process.pid)
            token, model = f"aq_load-{chance.randrange(size.tokens)}", f"model-{chance.randrange(min(size.models, 10))}"
            connection.send(chat_request("hello", model, token=token))
            assert connection.answer().status == 200
    return (cpu_s(process.process.pid) - before) / REQUESTS * 1e6


def test_large_catalog_is_loaded_in_five_seconds_and_makes_no_request_dearer(
    gateway_cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[Size, tuple[float, int, float]] = {}
    for size in (SMALL, LARGE):
        name = f"catalog_{next(_numbers)}"
        url = fresh_database(gateway_cluster, name)
        execute(url, catalog_script(size))
        with serving("serve", tmp_path / name, database_url=url) as process:
            started_s, memory_kb = cpu_s(process.process.pid), resident_kb(process.process.pid)
            found[size] = started_s, memory_kb, min(cpu_us_of_a_request(process, size, seed) for seed in range(2))

    with capsys.disabled():
        for size, (start, memory, request) in found.items():
            print(  # noqa: T201 - the figures of docs/settings.md
                f"\n{size.tokens} tokens, {size.teams} teams, {size.models} models: start {start:.1f} s of CPU,"
                f" {memory / 1024:.0f} MB, {request:.0f} us a request",
                end="",
            )
    assert found[LARGE][0] - found[SMALL][0] < LOAD_CPU_S
    assert found[LARGE][2] < 1.5 * found[SMALL][2]
