"""Tool names and call ids that Cohere accepts, and the way back; knows no message.

Names consist of letters, digits and `_` and do not begin with a digit: https://docs.cohere.com/reference/chat#tools.
"""

import hashlib
import re
from typing import Final

from adapters import tool_ids
from adapters.errors import ErrorKind, ProviderError

_LEGAL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ILLEGAL_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_]")
_KEPT_CHARS: Final = 54


class ToolNames:
    """The names of one request's tools in both directions, and which of them take free text."""

    def __init__(self) -> None:
        self._originals: dict[str, str] = {}
        self._custom: set[str] = set()

    def native(self, name: str) -> str:
        """Return the name for Cohere; equal names give equal names."""
        if _LEGAL.fullmatch(name):
            return name
        digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        native = f"_{_ILLEGAL_CHARACTER.sub('_', name)[:_KEPT_CHARS]}_{digest}"
        self._originals[native] = name
        return native

    def original(self, native: str) -> str:
        """Return the client's name."""
        return self._originals.get(native, native)

    def mark_custom(self, name: str) -> None:
        """Remember that a tool (by the client's name) takes free text."""
        self._custom.add(name)

    def is_custom(self, name: str) -> bool:
        """Return whether a tool (by the client's name) takes free text."""
        return name in self._custom


class HistoryIds:
    """The calls of a history, each with an id of its own, and which of them still wait for a result."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._waiting: dict[str, list[tuple[str, str]]] = {}

    def call(self, call_id: str, path: str) -> str:
        """Return the id to send for a call at `path`."""
        native = _unused(call_id, self._used, call_id)
        self._waiting.setdefault(call_id, []).append((native, path))
        return native

    def result(self, call_id: str, path: str) -> str:
        """Return the id to send with the result at `path`; raises `INVALID_TOOL_HISTORY` where no call waits for it."""
        waiting = self._waiting.get(call_id)
        if not waiting:
            message = "This tool result answers no tool call of the assistant message before it."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=path)
        native, _ = waiting.pop(0)
        if not waiting:
            del self._waiting[call_id]
        return native

    def expect_none(self) -> None:
        """Raise `INVALID_TOOL_HISTORY` where a call has no result although the conversation goes on."""
        for waiting in self._waiting.values():
            message = "This tool call has no result: a message with the role 'tool' must follow for each call."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=waiting[0][1])


class AnswerIds:
    """The ids of one answer's calls: Cohere's own where clients accept them, minted ones otherwise."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._used: set[str] = set()

    def take(self, call_id: str | None) -> str:
        """Return the id of the next call; equal answers get equal ids."""
        return _unused(call_id or "", self._used, self._seed)


def _unused(call_id: str, used: set[str], seed: str) -> str:
    found = call_id
    if found in used or not tool_ids.is_legal(found):
        found = tool_ids.minted(seed, call_id, len(used))
    used.add(found)
    return found
