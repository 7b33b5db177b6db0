"""The end of a task that works in the background for as long as its process lives; knows no work."""

import asyncio


async def ended(task: asyncio.Task[None], timeout_s: float) -> bool:
    """Wait for a task that was told to end; False where it took longer than `timeout_s` and was cancelled."""
    try:
        async with asyncio.timeout(timeout_s):
            await task
    except TimeoutError:
        return False
    return True
