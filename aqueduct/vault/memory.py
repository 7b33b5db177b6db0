"""States that this process has written or read lately, within bounds of count and size; knows no database."""

from collections import OrderedDict
from typing import Final, NamedTuple

MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 32 * 1024 * 1024
ENTRY_BYTES: Final = 400
"""What an entry costs beside its state."""
Key = tuple[str, str]
"""The owner, and what the state is found by: see `keys.py`."""


class _Entry(NamedTuple):
    state: bytes | None
    expires_at: float


class Memory:
    """The least recently used states give way. Times are Unix seconds; a state `None` is known to be missing."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._bytes = 0

    def put(self, key: Key, state: bytes | None, expires_at: float) -> None:
        """Remember a state, in the place of what was known of the key."""
        self._remove(key)
        self._entries[key] = _Entry(state, expires_at)
        self._bytes += _size(key, state)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def get(self, key: Key, now: float) -> tuple[bool, bytes | None]:
        """Return whether anything is known of a key, and its state."""
        entry = self._entries.get(key)
        if entry is None:
            return False, None
        if entry.expires_at <= now:
            self._remove(key)
            return False, None
        self._entries.move_to_end(key)
        return True, entry.state

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry.state)


def _size(key: Key, state: bytes | None) -> int:
    return ENTRY_BYTES + len(key[1]) + len(state or b"")
