"""The journal on a real file system: what a process leaves behind is read again, whole, once, and in order."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueduct.ids import RequestIds
from aqueduct.usage import batches as batches_module
from aqueduct.usage import journal as journal_module
from aqueduct.usage.journal import Journal
from aqueduct.usage.orphans import UNSETTLED, orphans
from aqueduct.usage.segments import (
    CLOSE,
    Cell,
    Columns,
    Entry,
    encode_entry,
    encode_head,
    frame,
    read_records,
    segment_paths,
)

COLUMNS = Columns(("id", "started_at", "duration_ms", "usage_source"), ("request_id", "number"))
new_id = RequestIds()


def cells(request_id: str, source: str | None = "provider") -> tuple[Cell, ...]:
    return (request_id, datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), 7, source)


def build(folder: Path, **options: int) -> Journal:
    unit = Journal(folder, COLUMNS, max_bytes=options.get("max_bytes", 10**9), now=time.time)
    unit.start()
    return unit


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    unit = build(tmp_path)
    yield unit
    await unit.aclose()


def end(unit: Journal, request_id: str) -> None:
    unit.closed(request_id, cells(request_id), ((request_id, 1),))


def die(unit: Journal) -> None:
    """Do what the system does at a process's end: give the lock back and nothing else."""
    os.close(unit._owner_fd)
    unit.folder = None


async def left_behind(folder: Path) -> tuple[list[Entry], list[Entry]]:
    ended, unsettled = [], []
    for orphan in orphans(folder, None):
        ended += [entry async for batch in orphan.batches(COLUMNS, 7) for entry in batch]
        unsettled += orphan.unsettled(COLUMNS)
    return ended, unsettled


async def test_journal_gives_rows_back_in_order_until_they_are_committed(journal: Journal) -> None:
    names = [new_id() for _ in range(5)]
    for name in names:
        assert journal.opened(name, cells(name, None))
        end(journal, name)

    first = await journal.batch(3)
    again = await journal.batch(3)
    assert (list(again.entries), again.ends) == (list(first.entries), first.ends), "what was not committed comes again"
    journal.commit(first)
    second = await journal.batch(3)
    journal.commit(second)

    assert [entry.request for entry in (*first.entries, *second.entries)] == [cells(name) for name in names]
    assert first.entries[0].attempts == ((names[0], 1),)
    assert journal.waiting == 0
    assert list((await journal.batch(3)).entries) == []


async def test_journal_of_a_dead_process_is_taken_over_with_what_was_open_as_unsettled(tmp_path: Path) -> None:
    unit = build(tmp_path)
    ended, cut = new_id(), new_id()
    for name in (ended, cut):
        unit.opened(name, cells(name, None))
    end(unit, ended)
    assert await left_behind(tmp_path) == ([], []), "nobody takes over from the living"
    die(unit)

    rows, unsettled = await left_behind(tmp_path)

    assert [entry.request for entry in rows] == [cells(ended)]
    assert [entry.request for entry in unsettled] == [cells(cut, UNSETTLED)]


async def test_journal_segment_goes_once_committed_and_open_requests_move_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 2000)
    unit = build(tmp_path)
    assert unit.folder is not None
    folder = unit.folder
    long_lived = new_id()
    unit.opened(long_lived, cells(long_lived, None))
    for _ in range(200):
        name = new_id()
        unit.opened(name, cells(name, None))
        end(unit, name)
    assert len(segment_paths(folder)) > 5

    while unit.waiting:
        unit.commit(await unit.batch(30))
    assert len(segment_paths(folder)) <= 2, "what the database has needs no disk"
    die(unit)

    rows, unsettled = await left_behind(tmp_path)
    assert [entry.request[0] for entry in unsettled] == [long_lived]
    assert len(rows) < 30, "little is read again after a kill"


async def test_journal_batch_goes_over_segments_and_is_bounded_by_rows_and_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 500)
    unit = build(tmp_path)
    assert unit.folder is not None
    names = [new_id() for _ in range(100)]
    for name in names:
        end(unit, name)
    segments = len(segment_paths(unit.folder))

    first = await unit.batch(60)
    unit.commit(first)
    assert len(first.entries) == 60
    assert len(segment_paths(unit.folder)) < segments / 2, "a batch of several segments lets all of them go"
    monkeypatch.setattr(batches_module, "BATCH_BYTES", 200)
    second = await unit.batch(60)
    unit.commit(second)
    assert 1 < len(second.entries) < 10
    monkeypatch.undo()
    third = await unit.batch(60)
    end(unit, "while it is written")
    unit.commit(third)
    last = await unit.batch(60)

    found = [entry.request[0] for batch in (first, second, third, last) for entry in batch.entries]
    assert found == [*names, "while it is written"]
    assert unit.waiting == 1
    await unit.aclose()


async def test_journal_of_a_dead_process_is_read_in_batches_over_its_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 500)
    unit = build(tmp_path)
    names = [new_id() for _ in range(25)]
    for name in names:
        end(unit, name)
    die(unit)

    found = [batch for orphan in orphans(tmp_path, None) async for batch in orphan.batches(COLUMNS, 10)]

    assert [len(batch) for batch in found] == [10, 10, 5]
    assert [entry.request[0] for batch in found for entry in batch] == names


async def test_journal_keeps_memory_bounded_while_rows_wait(journal: Journal) -> None:
    """Trap 7: ten thousand rows that wait are ten thousand rows on disk."""
    for _ in range(10_000):
        end(journal, new_id())

    assert journal.waiting == 10_000
    assert not journal._open
    assert not journal._unwritten
    assert len((await journal.batch(1000)).entries) == 1000


async def test_journal_disk_full_refuses_new_work_keeps_what_runs_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = build(tmp_path)
    before, during, refused, after = (new_id() for _ in range(4))
    for name in (before, during):
        assert unit.opened(name, cells(name, None))
    end(unit, before)
    real = os.pwrite

    def half(fd: int, data: bytes, place: int) -> int:
        return real(fd, data[: len(data) // 2], place)

    monkeypatch.setattr(os, "pwrite", half)
    assert not unit.opened(refused, cells(refused, None))
    end(unit, during)
    unit.retry()
    assert (unit.is_full, unit.waiting, unit.in_memory_only) == (True, 2, 1)
    monkeypatch.setattr(os, "pwrite", real)
    unit.retry()
    assert (unit.is_full, unit.in_memory_only) == (False, 0)
    assert unit.opened(after, cells(after, None))
    end(unit, after)
    die(unit)

    rows, unsettled = await left_behind(tmp_path)
    assert [entry.request[0] for entry in rows] == [before, during, after]
    assert unsettled == []


async def test_journal_row_that_no_disk_takes_can_still_be_committed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, later = new_id(), new_id()
    end(journal, name)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    end(journal, later)

    found = []
    while journal.waiting:
        batch = await journal.batch(10)
        found += [entry.request[0] for entry in batch.entries]
        journal.commit(batch)
    assert found == [name, later]


async def test_journal_at_its_bound_is_full_until_rows_are_committed(tmp_path: Path) -> None:
    unit = build(tmp_path, max_bytes=4000)
    while not unit.is_full:
        end(unit, new_id())

    while unit.waiting:
        unit.commit(await unit.batch(5))

    assert not unit.is_full
    await unit.aclose()


async def test_journal_all_committed_leaves_no_folder(tmp_path: Path) -> None:
    unit = build(tmp_path)
    end(unit, new_id())
    unit.commit(await unit.batch(10))

    await unit.aclose()

    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait


async def test_journal_durable_returns_after_a_flush_that_began_later(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    end(journal, new_id())

    await asyncio.wait_for(asyncio.gather(*(journal.durable() for _ in range(5))), 5)

    assert journal._segments[-1].fd in flushed
    assert len(flushed) <= 4, "waiters share a flush"


async def test_journal_of_another_release_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "owner").touch()
    old = Columns(("gone", "usage_source", "id"), ("number", "gone"))
    data = encode_head(old) + frame(CLOSE, encode_entry(("x", "provider", "an-id"), ((3, "y"),)))
    (folder / "0000000001.segment").write_bytes(data)

    rows, _ = await left_behind(tmp_path)

    assert rows == [Entry(("an-id", None, None, "provider"), ((None, 3),))]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_records_cut_or_damaged_anywhere_are_read_up_to_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    payloads = data.draw(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
    whole = b"".join(frame(CLOSE, payload) for payload in payloads)
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    damaged = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
    path = tmp_path_factory.getbasetemp() / "records"
    path.write_bytes(damaged)

    fd = os.open(path, os.O_RDONLY)
    try:
        found = [record.payload for record in read_records(fd, 0, len(damaged))]
    finally:
        os.close(fd)

    intact, size = [], 0
    for payload in payloads:
        size += len(frame(CLOSE, payload))
        if size <= place:
            intact.append(payload)
    assert found == intact


async def test_journal_with_more_open_requests_than_a_segment_holds_does_not_begin_one_with_each_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 2_000)
    unit = build(tmp_path, max_bytes=100_000)
    names = [new_id() for _ in range(60)]
    for name in names:
        assert unit.opened(name, cells(name, None))
    assert unit.folder is not None
    assert len(segment_paths(unit.folder)) <= 5
    assert not unit.is_full
    die(unit)

    assert [entry.request[0] for entry in (await left_behind(tmp_path))[1]] == names


async def test_journal_close_leaves_requests_that_are_still_open_to_another_process(tmp_path: Path) -> None:
    unit = build(tmp_path)
    ended, still_open = new_id(), new_id()
    assert unit.opened(ended, cells(ended, None))
    assert unit.opened(still_open, cells(still_open, None))
    end(unit, ended)
    unit.commit(await unit.batch(10))

    await unit.aclose()

    rows, unsettled = await left_behind(tmp_path)
    assert [entry.request[0] for entry in rows] == [ended]
    assert [entry.request for entry in unsettled] == [cells(still_open, UNSETTLED)]


async def test_journal_closed_keeps_the_row_of_a_request_that_ends_later_in_memory_and_touches_no_file(
    tmp_path: Path,
) -> None:
    unit = build(tmp_path)
    name = new_id()
    assert unit.opened(name, cells(name, None))
    await unit.aclose()
    with (tmp_path / "other").open("w+b") as other:
        end(unit, name)
        unit.retry()
        assert not unit.opened(new_id(), cells(name, None))
        assert other.read() == b""

    assert unit.in_memory_only == 1


async def test_journal_whose_rows_are_damaged_on_the_disk_goes_on_with_those_that_are_whole(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    first, damaged, last = new_id(), new_id(), new_id()
    end(journal, first)
    place = journal._segments[-1].end
    end(journal, damaged)
    os.pwrite(journal._segments[-1].fd, b"\xff", place + 20)

    journal.commit(await journal.batch(10))
    batch = await journal.batch(10)
    journal.commit(batch)

    assert (len(batch.entries), journal.waiting) == (0, 0), "nobody asks for it for ever"
    assert "usage_journal_unreadable" in caplog.text
    end(journal, last)
    assert [entry.request[0] for entry in (await journal.batch(10)).entries] == [last]


async def test_journal_with_many_open_requests_does_not_write_them_again_with_each_commit(tmp_path: Path) -> None:
    unit = build(tmp_path, max_bytes=40_000)
    for name in [new_id() for _ in range(200)]:
        assert unit.opened(name, cells(name, None))
    begun = unit._number
    for _ in range(20):
        end(unit, new_id())
        unit.commit(await unit.batch(10))
    assert unit._segments[-1].end > unit._worth_deleting, "what is open alone is worth a segment"
    assert unit._number - begun <= 1
    await unit.aclose()
