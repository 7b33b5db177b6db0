"""What the earlier ones of several upstream calls consumed is told, however the attempt ends that they are of."""

import asyncio
from types import TracebackType
from typing import Self

from adapters.base import Call
from adapters.errors import ProviderError
from schemas.usage import Usage, summed


class Consumed:
    """Collects the usage of the calls that were answered, while it is entered.

    A failure carries their sum in its `usage`, and a cancellation is preceded by the call's `on_abandoned`.
    """

    __slots__ = ("_call", "_usages")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._usages: list[Usage] = []

    def add(self, usage: Usage) -> None:
        """Take what one call consumed."""
        self._usages.append(usage)

    @property
    def total(self) -> Usage:
        """What all calls consumed, of which there is one at least."""
        return summed(self._usages)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or not self._usages:
            return
        if isinstance(error, ProviderError):
            error.usage = summed(self._usages if error.usage is None else [*self._usages, error.usage])
        elif isinstance(error, asyncio.CancelledError) and self._call.on_abandoned is not None:
            self._call.on_abandoned(self.total)
