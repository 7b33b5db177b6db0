import asyncio

import pytest

from aqueduct.catalog.secrets import SecretBox
from aqueduct.vault import vault as module
from aqueduct.vault.keys import TEXT_KEY
from tests.vault.vault_support import KEY, OTHER_KEY, TTL_S, cleaned, counted, written

ADA = "user:ada"
STATE = b'{"text":"a secret thought"}'


async def test_vault_state_kept_is_readable_at_once_and_by_another_replica_once_written(replica):
    first, second = await replica(), await replica()
    first.keep(ADA, "call_1", STATE)

    assert await first.recall(ADA, ["call_1", "call_2"]) == {"call_1": STATE}
    await written(first)
    assert await second.recall(ADA, ["call_1"]) == {"call_1": STATE}
    assert await second.recall(ADA, ["call_1"]) == {"call_1": STATE}
    assert (counted(second, "database_hit"), counted(second, "memory_hit")) == (1, 1)
    assert (counted(first, "memory_hit"), counted(first, "miss"), counted(first, "kept")) == (1, 1, 1)


async def test_vault_asked_by_another_owner_knows_nothing(replica):
    first, second = await replica(), await replica()
    first.keep(ADA, "call_1", STATE)
    await written(first)

    for other in ("user:eve", "service_account:ada", "team:ada"):
        assert await first.recall(other, ["call_1"]) == {}
        assert await second.recall(other, ["call_1"]) == {}


async def test_vault_row_copied_to_another_owners_id_does_not_open(replica, connection):
    first, second = await replica(), await replica()
    first.keep(ADA, "call_1", STATE)
    await written(first)
    stolen = module._row_id(module._associated("user:eve", "call_1"))
    await connection.execute("INSERT INTO vault.states SELECT $1, sealed, expires_at FROM vault.states LIMIT 1", stolen)

    assert await second.recall("user:eve", ["call_1"]) == {}
    assert counted(second, "unreadable") == 1
    assert await second.recall(ADA, ["call_1"]) == {"call_1": STATE}


async def test_vault_rows_show_neither_owner_nor_id_nor_state(replica, connection):
    vault = await replica()
    vault.keep(ADA, "call_1", STATE)
    await written(vault)

    row = await connection.fetchrow("SELECT * FROM vault.states")
    everything = b"".join(bytes(str(value), "latin-1") if not isinstance(value, bytes) else value for value in row)
    for secret in (b"ada", b"call_1", b"thought"):
        assert secret not in everything


async def test_vault_row_of_a_text_cannot_be_found_without_the_key_and_is_found_after_a_change_of_it(
    replica, connection
):
    """A hash of what a model answered would let anyone with the table try texts on it."""
    text = TEXT_KEY + "0" * 64
    first, changed, other = await replica(), await replica(OTHER_KEY, previous=(KEY,)), await replica(OTHER_KEY)
    first.keep(ADA, text, STATE)
    await written(first)

    row_id = await connection.fetchval("SELECT id FROM vault.states")
    assert row_id != module._row_id(module._associated(ADA, text))
    assert await changed.recall(ADA, [text]) == {text: STATE}
    assert await other.recall(ADA, [text]) == await first.recall("user:eve", [text]) == {}


async def test_vault_state_kept_twice_is_the_latest(replica):
    first, second = await replica(), await replica()
    for number in range(50):
        first.keep(ADA, "call_1", b"%d" % number)
    await written(first)

    assert await first.recall(ADA, ["call_1"]) == await second.recall(ADA, ["call_1"]) == {"call_1": b"49"}


async def test_vault_state_older_than_its_ttl_is_gone_and_its_row_removed(replica, clock, connection, monkeypatch):
    monkeypatch.setattr(module, "CLEAN_ROWS", 2)
    first, second = await replica(), await replica()
    for number in range(5):
        first.keep(ADA, f"call_{number}", STATE)
    await written(first)
    clock.now += TTL_S - 1
    assert await second.recall(ADA, ["call_1"]) == {"call_1": STATE}
    clock.now += 2

    assert await first.recall(ADA, ["call_1"]) == {}
    assert await second.recall(ADA, ["call_1", "call_2"]) == {}
    await cleaned(first, 5)
    assert await connection.fetchval("SELECT count(*) FROM vault.states") == 0
    assert counted(first, "expired") == 5


async def test_vault_cleaning_is_bounded(replica, clock, connection, monkeypatch):
    monkeypatch.setattr(module, "CLEAN_ROWS", 2)
    monkeypatch.setattr(module, "CLEAN_BATCHES", 2)
    vault = await replica()
    for number in range(7):
        vault.keep(ADA, f"call_{number}", STATE)
    await written(vault)
    clock.now += TTL_S + 1

    await cleaned(vault, 4)
    assert await connection.fetchval("SELECT count(*) FROM vault.states") == 3


async def test_vault_told_that_an_answer_has_no_state_does_not_ask_for_it(replica, clock, connection):
    vault = await replica()
    vault.keep(ADA, "call_1", b"")
    vault._pool.terminate()  # a read would fail, and be counted
    clock.now += module.MISSING_S + 1

    assert await vault.recall(ADA, ["call_1"]) == {}
    assert (vault.waiting, counted(vault, "read_failed"), counted(vault, "kept")) == (0, 0, 0)


async def test_vault_missing_state_is_not_asked_for_again_at_once(replica, clock):
    first, second = await replica(), await replica()
    assert await first.recall(ADA, ["call_1"]) == {}
    second.keep(ADA, "call_1", STATE)
    await written(second)

    assert await first.recall(ADA, ["call_1"]) == {}
    clock.now += module.MISSING_S + 0.1
    assert await first.recall(ADA, ["call_1"]) == {"call_1": STATE}


async def test_vault_without_a_key_writes_nothing_and_still_remembers(replica, connection):
    vault = await replica(key=None)
    vault.keep(ADA, "call_1", STATE)

    assert vault.waiting == 0
    assert await vault.recall(ADA, ["call_1"]) == {"call_1": STATE}
    assert await connection.fetchval("SELECT count(*) FROM vault.states") == 0
    assert counted(vault, "kept_in_memory") == 1


async def test_vault_after_the_key_changed_reads_what_the_older_key_sealed(replica):
    before = await replica(key=KEY)
    before.keep(ADA, "call_1", STATE)
    await written(before)

    rotated, replaced = await replica(key=OTHER_KEY, previous=(KEY,)), await replica(key=OTHER_KEY)
    assert await rotated.recall(ADA, ["call_1"]) == {"call_1": STATE}
    assert await replaced.recall(ADA, ["call_1"]) == {}
    assert counted(replaced, "unreadable") == 1


async def test_vault_without_its_database_costs_a_state_and_no_request(replica):
    vault = await replica(url="postgresql://nobody@127.0.0.1:1/nowhere")
    vault.keep(ADA, "call_1", STATE)

    async with asyncio.timeout(10):
        assert await vault.recall(ADA, ["call_1", "call_2"]) == {"call_1": STATE}
        assert await vault.recall(ADA, ["call_3"]) == {}
    assert counted(vault, "read_failed") == 1, "the database is left alone for a while"
    assert vault.waiting == 1


async def test_vault_queue_is_bounded(replica, monkeypatch):
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    vault = await replica(url="postgresql://nobody@127.0.0.1:1/nowhere")
    for number in range(5):
        vault.keep(ADA, f"call_{number}", STATE)

    assert vault.waiting == 3
    assert counted(vault, "not_kept") == 2


@pytest.mark.parametrize("call_id", ["", "x" * 257])
async def test_vault_ids_that_no_call_has_are_ignored(replica, call_id):
    vault = await replica()
    vault.keep(ADA, call_id, STATE)
    assert await vault.recall(ADA, [call_id]) == {}
    assert vault.waiting == 0


async def test_vault_id_with_a_lone_surrogate_is_an_id_like_others(replica):
    vault = await replica()
    vault.keep(ADA, "call_\ud800", STATE)
    await written(vault)
    assert await (await replica()).recall(ADA, ["call_\ud800"]) == {"call_\ud800": STATE}


async def test_vault_closed_has_written_everything(replica):
    vault = await replica()
    for number in range(1200):
        vault.keep(ADA, f"call_{number}", STATE)
    await vault.aclose(10.0)

    assert vault.waiting == 0
    assert len(await (await replica()).recall(ADA, [f"call_{number}" for number in range(1200)])) == module.MAX_WANTED


def test_secret_box_seals_for_one_associated_text_alone():
    box = SecretBox(KEY)
    sealed = box.seal(b"data", b"here")
    assert box.unseal(sealed, b"here") == b"data"
    with pytest.raises(ValueError, match="does not open"):
        box.unseal(sealed, b"there")
