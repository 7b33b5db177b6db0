"""A request is settled exactly once, with what all its attempts consumed, whichever way it ends. Traps 2, 3 and 8."""

import asyncio
from types import SimpleNamespace

import pytest

from adapters.errors import ErrorKind, ProviderError
from aqueduct.errors import overloaded
from schemas.usage import Usage
from tests.pipeline.drivers import Adapter, Run, Stream, waiting

PROMPT = 100
"""What the request's 320 characters are estimated at."""


def busy(usage: Usage | None = None, **fields: float) -> ProviderError:
    error = ProviderError(ErrorKind.SERVER_ERROR, "Busy.", **fields)
    error.usage = usage
    return error


def counted(usage: Usage | None) -> tuple[int | None, int | None, str] | None:
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens, usage.source)


async def test_answer_is_settled_with_what_was_reported() -> None:
    run = Run(Adapter(Usage(prompt_tokens=7, completion_tokens=3)))
    await run.whole()
    assert counted(run.settled) == (7, 3, "provider")


async def test_answer_after_a_failure_is_settled_with_both() -> None:
    run = Run(Adapter(busy(Usage(prompt_tokens=5))), Adapter(Usage(prompt_tokens=7, completion_tokens=3)))
    await run.whole()
    assert counted(run.settled) == (12, 3, "provider_partial")


@pytest.mark.parametrize("driver", ["whole", "stream"])
async def test_client_that_leaves_while_an_attempt_runs_pays_for_its_prompt(driver: str) -> None:
    waits = asyncio.Event()
    run = Run(Adapter(busy(Usage(prompt_tokens=5))), Adapter(waiting(waits)))
    await run.cancelled(getattr(run, driver), waits)
    assert counted(run.settled) == (PROMPT + 5, 0, "provider_partial")


@pytest.mark.parametrize("driver", ["whole", "stream"])
async def test_client_that_leaves_between_attempts_pays_for_those_that_were_made(driver: str) -> None:
    waits = asyncio.Event()
    run = Run(Adapter(busy()), Adapter(busy()))
    run.reservation.before_attempt = waiting(waits)
    await run.cancelled(getattr(run, driver), waits)
    assert counted(run.settled) is None


@pytest.mark.parametrize("driver", ["whole", "stream"])
async def test_client_that_leaves_during_the_pause_before_a_retry_pays_nothing_for_it(driver: str) -> None:
    failed = asyncio.Event()
    run = Run(Adapter(busy(Usage(prompt_tokens=5), retry_after_s=9.0)))
    run.pipeline = run.pipeline.__replace__(count_attempt=lambda *_: failed.set())
    await run.cancelled(getattr(run, driver), failed)
    assert counted(run.settled) == (5, None, "provider")


@pytest.mark.parametrize("driver", ["whole", "stream"])
async def test_defect_of_an_adapter_is_settled_like_an_answer_that_nobody_waited_for(driver: str) -> None:
    run = Run(Adapter(busy(Usage(prompt_tokens=5))), Adapter(RuntimeError("a defect")))
    await run.failed(getattr(run, driver), RuntimeError)
    assert counted(run.settled) == (PROMPT + 5, 0, "provider_partial")


async def test_stream_that_fails_before_its_content_counts_beside_the_next_one() -> None:
    begun = Stream(busy(), usage=Usage(prompt_tokens=40, source="provider_partial"))
    run = Run(Adapter(begun), Adapter(Stream("Hi", usage=Usage(prompt_tokens=7))))
    await run.stream()
    assert run.reservation.settled == []
    assert counted(run.context.spent) == (40, None, "provider_partial")
    assert [failed.usage for failed in run.context.failures] == [run.context.spent]
    assert begun.closed == 1


async def test_streams_that_all_fail_before_their_content_are_settled_together() -> None:
    partial = Usage(prompt_tokens=40, source="provider_partial")
    run = Run(Adapter(Stream(busy(), usage=partial), busy()), Adapter(Stream(busy(), usage=partial)))
    await run.failed(run.stream)
    assert counted(run.settled) == (80, None, "provider_partial")


async def test_client_that_leaves_a_stream_before_its_content_pays_for_what_was_reported() -> None:
    waits = asyncio.Event()
    partial = Usage(prompt_tokens=40, queries=2, source="provider_partial")
    run = Run(Adapter(Stream(busy(), usage=partial)), Adapter(Stream(waiting(waits), usage=partial)))
    await run.cancelled(run.stream, waits)
    assert counted(run.settled) == (80, None, "provider_partial")
    assert run.settled is not None
    assert run.settled.queries == 4


@pytest.mark.parametrize("driver", ["whole", "stream"])
@pytest.mark.parametrize("reason", [overloaded(), asyncio.CancelledError()], ids=["full", "left"])
async def test_request_that_the_journal_does_not_take_gives_its_reservation_back(
    driver: str, reason: BaseException
) -> None:
    """Nothing was sent: its disk is full, or its client has left while it was flushed."""

    async def begin(*_: object) -> None:
        raise reason

    run = Run(Adapter(Usage(prompt_tokens=7, completion_tokens=3)))
    run.pipeline = run.pipeline.__replace__(usage=SimpleNamespace(begin=begin))
    await run.failed(getattr(run, driver), type(reason))
    assert run.settled is None
    assert run.outcomes == []
