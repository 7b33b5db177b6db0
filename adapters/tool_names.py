"""Tool names made legal for one request's provider, with the way back; knows no provider and no message."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

DIGEST_CHARS: Final = 8


class NameForm:
    """The names that an API takes: letters, digits and `marks`, at most `most` characters.

    `identifier`: a letter or `_` comes first.
    """

    def __init__(self, marks: str, most: int, *, identifier: bool = False) -> None:
        inner = f"A-Za-z0-9{re.escape(marks)}"
        first = "[A-Za-z_]" if identifier else f"[{inner}]"
        self._first = re.compile(first)
        self._legal = re.compile(f"{first}[{inner}]{{0,{most - 1}}}")
        self._illegal = re.compile(f"[^{inner}]")
        self._most = most

    def is_legal(self, name: str) -> bool:
        """Return whether the API takes the name."""
        return self._legal.fullmatch(name) is not None

    def renamed(self, name: str) -> str:
        """Return a legal name that tells where it comes from; equal names give equal ones, others others."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
        readable = self._illegal.sub("_", name)
        if not self._first.match(readable):
            readable = f"_{readable}"
        return f"{readable[: self._most - DIGEST_CHARS - 1]}_{digest}"


class ToolNames:
    """The names of one request's tools in both directions, and which of them take free text.

    `reserved` are names that the adapter itself uses. `has_answer_tool`: whether a call of its own tool is the answer.
    """

    def __init__(self, form: NameForm, reserved: Iterable[str] = ()) -> None:
        self.has_answer_tool = False
        self._form = form
        self._reserved = frozenset(reserved)
        self._natives: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        self._custom: set[str] = set()

    def native(self, name: str) -> str:
        """Return the name to send for a client's name, always the same one."""
        known = self._natives.get(name)
        if known is not None:
            return known
        is_free = name not in self._reserved and name not in self._originals
        native = name if is_free and self._form.is_legal(name) else self._form.renamed(name)
        self._natives[name] = native
        self._originals[native] = name
        return native

    def original(self, native: str) -> str:
        """Return the client's name for one that was sent, or that a provider made up."""
        return self._originals.get(native, native)

    def mark_custom(self, name: str) -> None:
        """Note that the client's tool `name` takes free text."""
        self._custom.add(name)

    def is_custom(self, name: str) -> bool:
        """Return whether the client's tool `name` takes free text."""
        return name in self._custom
