"""Tool names that Gemini accepts, and the way back; knows no request.

Gemini takes a letter or underscore, then letters, digits and `_.:-`, 64 characters in all:
https://ai.google.dev/api/caching#FunctionDeclaration.
"""

import hashlib
import re
from typing import Final

_LEGAL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_ILLEGAL_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_KEPT_CHARS: Final = 54


class ToolNames:
    """The names of one request's tools in both directions, and which of them take free text."""

    def __init__(self) -> None:
        self._originals: dict[str, str] = {}
        self._custom: set[str] = set()

    def native(self, name: str) -> str:
        """Return the name for Gemini; equal names give equal names."""
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
