"""The event of a request: as asyncio's, but made only for those who wait."""

import asyncio

from aqueduct.server.hot_protocol import LateEvent


async def test_late_event_lets_all_go_on_that_wait() -> None:
    event = LateEvent()
    waiting = [asyncio.create_task(event.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)

    event.set()

    assert await asyncio.gather(*waiting) == [True, True]


async def test_late_event_that_is_set_lets_nobody_wait_until_it_is_cleared() -> None:
    event = LateEvent()
    event.set()
    assert await event.wait()

    event.clear()
    waiting = asyncio.create_task(event.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    event.set()
    event.clear()
    assert await waiting
