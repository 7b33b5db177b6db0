"""Server-minted request ids: UUIDv7 (RFC 9562), ordered by time, the primary key of usage rows."""

import os
import time

_RAND_A_BITS = 0x0FFF
_RAND_B_BITS = (1 << 62) - 1
_POOL_BYTES = 4096


class RequestIds:
    """Mints UUIDv7s; random bytes are drawn from the system in blocks, for one system call in 400 ids."""

    def __init__(self) -> None:
        self._pool = b""
        self._offset = 0

    def __call__(self) -> str:
        """Return a new id of the present millisecond, in the usual form of 36 characters."""
        if self._offset >= len(self._pool):
            self._pool, self._offset = os.urandom(_POOL_BYTES // 10 * 10), 0
        random = int.from_bytes(self._pool[self._offset : self._offset + 10], "big")
        self._offset += 10
        milliseconds = time.time_ns() // 1_000_000
        value = (milliseconds << 80) | (0x7 << 76) | ((random >> 62 & _RAND_A_BITS) << 64) | (0b10 << 62)
        text = f"{value | (random & _RAND_B_BITS):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
