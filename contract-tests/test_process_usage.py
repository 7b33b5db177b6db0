"""Usage survives what a process does not: SIGKILL, and a database that is away longer than the process lives."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway_fixtures import Mocks, providers_yaml
from raw_http import Connection
from running_gateway import ORGANISATION, apply_yaml
from serving_process import chat_request, fetch, prepared_database, serving, wait_until, workers_of

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.usage.segments import CLOSE, Reordering, read_columns, read_records, segment_paths
from aqueduct.usage.store import JOURNAL_COLUMNS

ROWS = "SELECT id::text, status, usage_source, model, provider, token_id FROM usage.requests ORDER BY id"
STREAM = "[echo tokens=400 delay_ms=50] go"
NEVER = "3600"


def by_id(url: str) -> dict[str, dict[str, object]]:
    rows = fetch(url, ROWS)
    found = {str(row["id"]): row for row in rows}
    assert len(found) == len(rows), "a row is doubled"
    return found


def test_killed_process_loses_no_row_and_the_next_one_writes_each_once(
    gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path
) -> None:
    """Trap 6: nothing was written before the kill; what was open is `unsettled`, the rest is as it ended."""
    url = prepared_database(gateway_cluster, mocks, tmp_path)
    folder = tmp_path / "serve"
    with serving("serve", folder, database_url=url, usage_flush_s=NEVER) as process:
        answers = [process.chat(f"whole {number}", "gpt") for number in range(20)]
        assert {answer.status for answer in answers} == {200}
        ended = {answer.headers["x-request-id"] for answer in answers}
        with Connection(process.port) as stream:
            stream.send(chat_request(STREAM, stream=True))
            stream.read_until(b'"content":"')
            process.kill()
    assert by_id(url) == {}

    with serving("serve", folder, database_url=url, usage_flush_s="0.1"):
        wait_until(lambda: len(by_id(url)) == 21, 20.0, "what the killed process owed")
    rows = by_id(url)
    assert {rows[name]["usage_source"] for name in ended} == {"provider"}
    assert {rows[name]["status"] for name in ended} == {200}
    (cut,) = [row for name, row in rows.items() if name not in ended]
    assert (cut["usage_source"], cut["status"], cut["model"], cut["provider"]) == ("unsettled", 0, "echo", "echo")
    assert cut["token_id"] is not None
    with serving("serve", folder, database_url=url, usage_flush_s="0.1"):
        pass
    assert by_id(url) == rows, "a third process finds nothing left"
    assert list((folder / ".aqueduct" / "journal").iterdir()) == []


def waiting_in(folder: Path, url: str) -> set[str]:
    """The ids of the rows in a stopped worker's journal that the database has not."""
    place = JOURNAL_COLUMNS.requests.index("id")
    found: set[str] = set()
    for path in segment_paths(folder):
        with path.open("rb") as file:
            columns, begin = read_columns(file.fileno(), path.stat().st_size) or (JOURNAL_COLUMNS, 0)
            reordering = Reordering(columns, JOURNAL_COLUMNS)
            records = read_records(file.fileno(), begin, path.stat().st_size)
            found |= {str(reordering.entry(one.payload).request[place]) for one in records if one.kind == CLOSE}
    return found - set(by_id(url))


def test_killed_worker_is_replayed_by_its_peers(gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path) -> None:
    """The worker that holds the most is stopped first: so that it is known, not hoped, that rows wait at the kill."""
    url = prepared_database(gateway_cluster, mocks, tmp_path)
    settings = {"workers": "2", "usage_flush_s": "1.5", "usage_flush_records": "100000"}
    journal = tmp_path / "serve/.aqueduct/journal"
    ids: set[str] = set()
    with serving("serve", tmp_path / "serve", database_url=url, **settings) as process:
        wait_until(lambda: len(workers_of(process)) == 2, 20.0, "two workers")
        folders = {int(path.name.split("-")[1]): path for path in journal.iterdir()}
        assert set(workers_of(process)) <= set(folders)
        for _ in range(10):
            ids |= {process.chat(f"{number}", "gpt").headers["x-request-id"] for number in range(40)}
            victim = max(folders, key=lambda pid: sum(path.stat().st_size for path in segment_paths(folders[pid])))
            os.kill(victim, signal.SIGSTOP)
            waiting = waiting_in(folders[victim], url)
            if waiting:
                break
            os.kill(victim, signal.SIGCONT)  # it has written everything just now
        os.kill(victim, signal.SIGKILL)
        assert waiting
        wait_until(lambda: set(by_id(url)) >= ids, 40.0, "the dead worker's rows")
    assert set(by_id(url)) == ids


def test_database_away_over_a_restart_costs_no_row(own_cluster: Cluster, mocks: Mocks, tmp_path: Path) -> None:
    url = own_cluster.url
    asyncio.run(migrate.upgrade(url))
    apply_yaml(url, ORGANISATION + providers_yaml(mocks), tmp_path)
    ids: set[str] = set()
    with serving("serve", tmp_path / "serve", database_url=url, usage_flush_s="0.1") as process:
        ids.add(process.chat("before", "gpt").headers["x-request-id"])
        own_cluster.stop()
        ids |= {process.chat(f"during {number}", "gpt").headers["x-request-id"] for number in range(10)}
        process.kill()
    own_cluster.start()

    with serving("serve", tmp_path / "serve", database_url=url, usage_flush_s="0.1") as process:
        ids.add(process.chat("after", "gpt").headers["x-request-id"])
        wait_until(lambda: set(by_id(url)) >= ids, 20.0, "every row")
    assert set(by_id(url)) == ids


def test_journal_that_is_flushed_for_each_request_loses_no_row_of_a_killed_process(
    gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path
) -> None:
    """`always`: each request waits for the disk before it goes upstream, 20 of them at once for the same flush."""
    url = prepared_database(gateway_cluster, mocks, tmp_path)
    folder = tmp_path / "serve"
    with serving("serve", folder, database_url=url, usage_flush_s=NEVER, journal_sync="always") as process:
        with ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(lambda number: process.chat(f"{number}", "gpt"), range(100)))
        assert {answer.status for answer in answers} == {200}
        process.kill()
    assert by_id(url) == {}

    ids = {answer.headers["x-request-id"] for answer in answers}
    with serving("serve", folder, database_url=url, usage_flush_s="0.1", journal_sync="always"):
        wait_until(lambda: set(by_id(url)) == ids, 20.0, "what the killed process owed")
    assert {row["usage_source"] for row in by_id(url).values()} == {"provider"}
