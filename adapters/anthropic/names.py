"""Tool names and call ids made legal for one request, with the way back; knows no message.

Names: `^[a-zA-Z0-9_-]{1,128}$`, ids: `^[a-zA-Z0-9_-]+$`, each id once in a conversation. OpenAI clients accept ids of
at most 64 characters.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from adapters.errors import ErrorKind, ProviderError
from adapters.tool_ids import split_signature

JSON_TOOL: Final = "json_tool_call"
WEB_SEARCH: Final = "web_search"
_LEGAL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LEGAL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolNames:
    """The request's tools: how each is called upstream, and which of them take free text."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._upstream: dict[str, str] = {}
        self._client: dict[str, str] = {}
        self._reserved = frozenset(reserved)
        self._custom: set[str] = set()

    def upstream(self, name: str) -> str:
        """Return the name to send for a client's name, always the same one."""
        known = self._upstream.get(name)
        if known is not None:
            return known
        legal = name
        if not _LEGAL_NAME.fullmatch(name) or name in self._reserved or name in self._client:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            legal = f"{_ILLEGAL.sub('_', name)[:119] or 'tool'}_{digest}"
        self._upstream[name] = legal
        self._client[legal] = name
        return legal

    def client(self, name: str) -> str:
        """Return the client's name for an upstream one."""
        return self._client.get(name, name)

    def mark_custom(self, name: str) -> None:
        """Note that the client's tool `name` takes free text."""
        self._custom.add(name)

    def is_custom(self, name: str) -> bool:
        """Return whether the client's tool `name` takes free text."""
        return name in self._custom


class CallIds:
    """The calls of a history, each with an id of its own, and which of them still wait for a result."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._waiting: dict[str, list[tuple[str, str]]] = {}

    def call(self, call_id: str, path: str) -> str:
        """Return the id to send for a call at `path`."""
        call_id = split_signature(call_id)[0]
        upstream = _legal_id(call_id, "toolu_", "")
        repeats = 0
        while upstream in self._used:
            repeats += 1
            upstream = _legal_id("", "toolu_", f"{call_id}/{repeats}")
        self._used.add(upstream)
        self._waiting.setdefault(call_id, []).append((upstream, path))
        return upstream

    def result(self, call_id: str, path: str) -> str:
        """Return the id to send with the result at `path`; raises `INVALID_TOOL_HISTORY` where no call waits for it."""
        call_id = split_signature(call_id)[0]
        waiting = self._waiting.get(call_id)
        if not waiting:
            message = "This tool result answers no tool call of the assistant message before it."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=path)
        upstream, _ = waiting.pop(0)
        if not waiting:
            del self._waiting[call_id]
        return upstream

    def expect_none(self) -> None:
        """Raise `INVALID_TOOL_HISTORY` where a call has no result although the conversation goes on."""
        for waiting in self._waiting.values():
            message = "This tool call has no result: a message with the role 'tool' must follow for each call."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=waiting[0][1])


def to_client_id(call_id: str | None, used: set[str], seed: str) -> str:
    """Return an id that clients accept and that is new in `used`; `seed` tells calls without a usable id apart."""
    legal = _legal_id(call_id or "", "call_", f"{seed}/{call_id}/{len(used)}")
    if legal in used:
        legal = _legal_id("", "call_", f"{seed}/{call_id}/{len(used)}")
    used.add(legal)
    return legal


def _legal_id(call_id: str, prefix: str, seed: str) -> str:
    if _LEGAL_ID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256((seed or call_id).encode("utf-8", "surrogatepass")).hexdigest()
    return prefix + digest[:24]
