"""Server-minted request ids: UUIDv7 (RFC 9562), ordered by time, the primary key of usage rows."""

import os
import time

_POOL_BYTES = 4096
_DIGITS = 19
"""Random hexadecimal digits of an id: 76 bits, of which the variant takes two."""
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class RequestIds:
    """Mints UUIDv7s; random bytes are drawn from the system in blocks, for one system call in 400 ids.

    They are put together as text, at a quarter of the cost of a number that is formatted.
    """

    def __init__(self) -> None:
        self._pool = ""
        self._offset = 0

    def __call__(self) -> str:
        """Return a new id of the present millisecond, in the usual form of 36 characters."""
        begin = self._offset
        end = begin + _DIGITS
        if end > len(self._pool):
            self._pool, begin, end = os.urandom(_POOL_BYTES).hex(), 0, _DIGITS
        self._offset = end
        random = self._pool[begin:end]
        milliseconds = f"{time.time_ns() // 1_000_000:012x}"
        first, last = f"{milliseconds[:8]}-{milliseconds[8:]}-7{random[:3]}", random[4:7]
        return f"{first}-{_VARIANTS[random[3]]}{last}-{random[7:]}"
