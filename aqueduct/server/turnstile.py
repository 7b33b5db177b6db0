"""Lets large requests take their long steps one at a time, with the event loop free in between; knows no request.

Decoding or encoding 20 MB takes some 10 ms. Ten such steps that become ready together would run in one pass of the
loop, and everybody else would wait for all of them.
"""

import asyncio
from typing import Final

LARGE_BYTES: Final = 256 * 1024


class Turnstile:
    """One for all requests of a process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for a pass of the event loop of one's own, before a step on `LARGE_BYTES` or more."""
        async with self._lock:
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the first pass may have begun already
