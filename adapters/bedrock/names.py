"""Tool names made legal for Converse: `^[a-zA-Z0-9_-]{1,64}$`, half as long as Claude's own API takes."""

import hashlib
from collections.abc import Iterable
from typing import Final

from typing_extensions import override

from adapters.anthropic.names import ToolNames

MAX_CHARS: Final = 64


class ShortToolNames(ToolNames):
    """The names of one request's tools in both directions."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        super().__init__(reserved)
        self._long: dict[str, str] = {}

    @override
    def upstream(self, name: str) -> str:
        legal = super().upstream(name)
        if len(legal) <= MAX_CHARS:
            return legal
        short = f"{legal[: MAX_CHARS - 9]}_{hashlib.sha256(legal.encode()).hexdigest()[:8]}"
        self._long[short] = legal
        return short

    @override
    def client(self, name: str) -> str:
        return super().client(self._long.get(name, name))
