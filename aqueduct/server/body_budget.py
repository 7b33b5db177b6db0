"""Bounds the request bodies that one process holds at once, whoever sends them; knows nothing of their content."""

from typing import Final

from msgspec import Struct

from aqueduct.errors import unavailable

DEFAULT_LIMIT_BYTES: Final = 1024 * 1024 * 1024


class BodyBudget:
    """The bytes of all request bodies in work, at most `limit_bytes`."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0


class BodyLease(Struct, eq=False):
    """What one request holds of the budget."""

    _budget: BodyBudget
    _held_bytes: int = 0

    def take(self, size: int) -> None:
        """Hold `size` more bytes; raises `GatewayError` 503 where the budget has no room for them."""
        if self._budget.used_bytes + size > self._budget.limit_bytes:
            message = "The gateway holds as many request bodies as it may. Try again in a moment."
            raise unavailable("gateway_overloaded", message, 1.0)
        self._held_bytes += size
        self._budget.used_bytes += size

    def release(self) -> None:
        """Give back what is held. Idempotent."""
        self._budget.used_bytes -= self._held_bytes
        self._held_bytes = 0
