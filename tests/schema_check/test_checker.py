"""The process that checks: started when needed, again after its end, and never a failure of the request."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from aqueduct.schema_check.checker import ANY_OBJECT, MAX_SCHEMA_BYTES, SchemaChecker, Verdict

OBJECT = b'{"type": "object"}'  # not `ANY_OBJECT`, which needs no process
WAIT_S = 30.0


def exploding(levels: int = 60) -> bytes:
    """A small schema that takes 2^levels steps."""
    steps = {
        f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}, {"$ref": f"#/$defs/a{level + 1}"}]}
        for level in range(levels)
    }
    return json.dumps({"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {"type": "object"}}}).encode()


@pytest.fixture
async def checker() -> AsyncIterator[SchemaChecker]:
    made = SchemaChecker(timeout_s=WAIT_S)
    yield made
    await made.aclose()


def pid_of(checker: SchemaChecker) -> int:
    process = checker._process
    assert process is not None
    return process.pid


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_all_texts_must_be_valid(checker: SchemaChecker) -> None:
    assert await checker.check(OBJECT, ["{}", '{"a":1}']) == Verdict(valid=True)
    found = await checker.check(OBJECT, ["{}", "[]"])
    assert found.valid is False
    assert found.reason


async def test_one_process_answers_many_questions_at_once(checker: SchemaChecker) -> None:
    await checker.check(OBJECT, ["{}"])
    pid = pid_of(checker)
    found = await asyncio.gather(*(checker.check(OBJECT, ["{}" if number % 2 else "[]"]) for number in range(20)))
    assert [verdict.valid for verdict in found] == [bool(number % 2) for number in range(20)]
    assert pid_of(checker) == pid


async def test_schema_that_takes_for_ever_gives_no_verdict_and_the_next_is_checked(checker: SchemaChecker) -> None:
    """The kernel ends the process; the loop goes on meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    found = await checker.check(exploding(), ["{}"])
    counting.cancel()
    assert found.valid is None
    assert turns > 5
    assert (await checker.check(OBJECT, ["{}"])).valid is True


async def test_schema_that_has_ended_the_process_is_not_asked_about_again(checker: SchemaChecker) -> None:
    """Whoever sends it again and again does not hold up the checks of others each time."""
    await checker.check(exploding(), ["{}"])
    assert (await checker.check(OBJECT, ["{}"])).valid is True
    pid = pid_of(checker)
    assert (await checker.check(exploding(), ["{}"])).valid is None
    assert pid_of(checker) == pid
    assert (await checker.check(exploding(5), ["{}"])).valid is True


async def test_schema_is_not_blamed_for_the_end_of_the_process_by_others(checker: SchemaChecker) -> None:
    """A process that lacks memory for other reasons, or that an operator ends, says nothing of the schema."""
    asking = asyncio.create_task(checker.check(exploding(), ["{}"]))
    await until(lambda: checker._process is not None)
    os.kill(pid_of(checker), 9)
    assert (await asking).valid is None
    assert not checker._endless


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"a": 1}', True),
        ("[1]", False),
        ("Here: {}", False),
        ("", False),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, None),
    ],
)
async def test_any_object_is_checked_without_a_process(checker: SchemaChecker, text: str, valid: bool | None) -> None:
    assert (await checker.check(ANY_OBJECT, [text])).valid is valid
    assert checker._process is None


async def test_process_that_was_ended_is_started_again(checker: SchemaChecker) -> None:
    await checker.check(OBJECT, ["{}"])
    pid = pid_of(checker)
    os.kill(pid, 9)
    await until(lambda: is_gone(pid))
    await checker.check(OBJECT, ["{}"])  # may be the one that notices
    assert (await checker.check(OBJECT, ["{}"])).valid is True


async def test_cancelled_question_leaves_no_answer_for_the_next(checker: SchemaChecker) -> None:
    await checker.check(OBJECT, ["{}"])
    pid = pid_of(checker)
    asking = asyncio.create_task(checker.check(exploding(), ["{}"]))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await checker.check(OBJECT, ["[]"])).valid is False
    assert pid_of(checker) != pid


async def test_schema_beyond_its_bound_is_not_asked_about(checker: SchemaChecker) -> None:
    assert (await checker.check(b'{"a":"' + b"x" * MAX_SCHEMA_BYTES + b'"}', ["{}"])).valid is None
    assert checker._process is None


@pytest.mark.parametrize(
    "command", [("/nowhere/python",), (sys.executable, "-c", "pass"), (sys.executable, "-c", "print('?')")]
)
async def test_program_that_does_not_answer_gives_no_verdict(command: tuple[str, ...]) -> None:
    checker = SchemaChecker(command, timeout_s=WAIT_S)
    assert (await checker.check(OBJECT, ["{}"])).valid is None
    await checker.aclose()


async def test_process_gets_no_environment(checker: SchemaChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AQUEDUCT_SECRET_KEY", "canary")
    await checker.check(OBJECT, ["{}"])
    with open(f"/proc/{pid_of(checker)}/environ", "rb") as environment:  # noqa: PTH123, ASYNC230 - a file of the kernel
        assert b"canary" not in environment.read()
    pid = pid_of(checker)
    await checker.aclose()
    assert is_gone(pid)
