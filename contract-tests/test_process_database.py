"""The database changes or goes away while the gateway serves."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_fixtures import Mocks, execute, fresh_database, providers_yaml
from raw_http import Connection
from running_gateway import ENVIRONMENT, ORGANISATION, OTHER_TOKEN, TOKEN, apply_yaml
from serving_process import ServingProcess, chat_request, fetch, prepared_database, serving, wait_until

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster

ROWS = "SELECT * FROM usage.requests ORDER BY id"
SOON_S = 1.0
STREAM = "[echo tokens=100 delay_ms=50] go"


@pytest.fixture
def url(gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path) -> str:
    return prepared_database(gateway_cluster, mocks, tmp_path)


@pytest.fixture
def gateway_process(url: str, tmp_path: Path) -> Iterator[ServingProcess]:
    """It polls so rarely that only notifications can make it hear of a change in time."""
    with serving("serve", tmp_path / "serve", database_url=url, catalog_poll_s="300", usage_flush_s="0.1") as process:
        yield process


def operator(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a database."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
    command = [sys.executable, "-m", "aqueduct", *arguments]
    environment |= ENVIRONMENT | {"AQUEDUCT_DATABASE_URL": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_database_that_stops_and_comes_back_costs_no_request_and_no_row(
    own_cluster: Cluster, mocks: Mocks, tmp_path: Path
) -> None:
    url = own_cluster.url
    asyncio.run(migrate.upgrade(url))
    apply_yaml(url, ORGANISATION + providers_yaml(mocks), tmp_path)
    settings = {"catalog_poll_s": "0.2", "usage_flush_s": "0.1", "journal_max_bytes": "20000"}
    with serving("serve", tmp_path / "serve", database_url=url, **settings) as process:
        assert process.chat("before", "gpt").status == 200
        wait_until(lambda: len(fetch(url, ROWS)) == 1, 5.0, "the first row")
        with Connection(process.port) as stream:
            stream.send(chat_request(STREAM, stream=True))
            stream.read_until(b'"content":"')
            own_cluster.stop()
            for number in range(10):
                assert process.chat(f"during {number}", "gpt").status == 200
            stream.read_until(b"data: [DONE]")
        wait_until(lambda: "the catalog is stale" in reasons(process), 10.0, "readiness tells the stale catalog")
        assert process.get("/health/live").status == 200
        assert process.chat("still", token="aq_nobody").status == 401
        statuses = [process.chat(f"full {number}", "gpt").status for number in range(25)]
        assert set(statuses) == {200, 503}, "new work is refused once its usage could not be kept"
        assert "usage cannot be written" in reasons(process)
        served = 2 + 10 + statuses.count(200)

        own_cluster.start()
        wait_until(lambda: process.get("/health/ready").status == 200, 20.0, "ready again")
        assert process.chat("after", "gpt").status == 200
        wait_until(lambda: count_of(url) == served + 1, 10.0, "every row is written")

    rows = fetch(url, ROWS)
    assert [row["status"] for row in rows] == [200] * (served + 1), "what was refused takes no room in the journal"
    assert len(mocks.openai.ledger) == served, "all but the stream"
    assert "Traceback" not in process.output


def reasons(process: ServingProcess) -> list[str]:
    answer = process.get("/health/ready").json()
    found = answer["reasons"]
    assert isinstance(found, list)
    return found


def count_of(url: str) -> int:
    return len(fetch(url, "SELECT id FROM usage.requests"))


def test_revoked_token_stops_working_within_a_second(gateway_process: ServingProcess, url: str) -> None:
    assert gateway_process.chat("Hi").status == 200
    assert gateway_process.chat("Hi", token=OTHER_TOKEN).status == 200

    execute(url, "UPDATE tokens SET revoked_at = now() WHERE name = 'other'")
    wait_until(lambda: gateway_process.chat("Hi", token=OTHER_TOKEN).status == 401, SOON_S, "revoked in SQL")

    (row,) = fetch(url, "SELECT id FROM tokens WHERE name = 'test'")
    done = operator(url, "token", "revoke", str(row["id"]))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: gateway_process.chat("Hi").status == 401, SOON_S, "revoked on the command line")


def test_new_token_works_within_a_second_and_a_stream_keeps_its_snapshot(
    gateway_process: ServingProcess, url: str
) -> None:
    with Connection(gateway_process.port) as stream:
        stream.send(chat_request(STREAM, stream=True))
        stream.read_until(b'"content":"')
        done = operator(url, "token", "create", "--owner", "user:ada@example.org", "--name", "new")
        assert done.returncode == 0, done.stderr
        token = done.stdout.strip()
        wait_until(lambda: gateway_process.chat("Hi", token=token).status == 200, SOON_S, "the new token")

        execute(url, "UPDATE tokens SET revoked_at = now() WHERE name = 'test'")
        wait_until(lambda: gateway_process.chat("Hi", token=TOKEN).status == 401, SOON_S, "the old token's end")
        rest = stream.read_until(b"data: [DONE]")

    assert b'"finish_reason":"stop"' in rest, "what was admitted ends as it began"
    assert token not in gateway_process.output


def test_applied_model_is_served_without_a_restart(
    gateway_process: ServingProcess, url: str, mocks: Mocks, tmp_path: Path
) -> None:
    assert gateway_process.chat("Hi", "novel").status == 404
    path = tmp_path / "more.yaml"
    path.write_text(
        ORGANISATION
        + providers_yaml(mocks).replace(
            "models:\n", "models:\n  - {name: novel, deployments: [{provider: echo, upstream_model: echo}]}\n"
        )
    )

    done = operator(url, "apply", str(path))

    assert done.returncode == 0, done.stderr
    wait_until(lambda: gateway_process.chat("Hi", "novel").status == 200, SOON_S, "the new model")
    listed = gateway_process.get("/v1/models")
    assert listed.status == 401


def test_serve_refuses_a_database_without_its_schema(gateway_cluster: Cluster, tmp_path: Path) -> None:
    execute(gateway_cluster.url, "CREATE DATABASE process_empty TEMPLATE template0 STRATEGY file_copy")
    with serving(
        "serve", tmp_path / "serve", ready=False, database_url=gateway_cluster.database_url("process_empty")
    ) as process:
        assert process.ended() == 1

    assert "aqueduct migrate" in process.stderr
    assert "Traceback" not in process.output


def test_serve_without_a_reachable_database_says_so(tmp_path: Path) -> None:
    url = "postgresql://aqueduct:a-database-password@127.0.0.1:9/none"
    with serving("serve", tmp_path / "serve", ready=False, database_url=url) as process:
        assert process.ended() == 1

    assert "AQUEDUCT_DATABASE_URL" in process.stderr
    assert "a-database-password" not in process.output
    assert "Traceback" not in process.output


def test_database_of_another_release_is_refused(gateway_cluster: Cluster, tmp_path: Path) -> None:
    """Trap 25."""
    url = fresh_database(gateway_cluster, "process_other_release")
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    with serving("serve", tmp_path / "serve", ready=False, database_url=url) as process:
        assert process.ended() == 1

    assert "9999" in process.stderr
    assert "Traceback" not in process.output
