"""Which calls of a conversation wait for a result, and under which ids they are sent; knows no provider's form."""

from typing import Final

import msgspec
from msgspec import Raw

from adapters import free_text
from adapters.errors import ErrorKind, ProviderError
from adapters.tool_ids import UniqueIds, split_signature
from schemas.chat_request import CustomToolCall, ToolCall

NO_ARGUMENTS: Final = "{}"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


class ToolHistory:
    """Walks through a conversation in order: calls open, results close, and nothing stays open where it goes on."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[str, str]]] = {}

    @property
    def is_open(self) -> bool:
        """Whether a call waits for its result."""
        return bool(self._waiting)

    def call(self, call_id: str, path: str, name: str = "") -> None:
        """Note a call of the tool `name`, which stands at `path`."""
        self._waiting.setdefault(call_id, []).append((name, path))

    def result(self, call_id: str, path: str) -> str:
        """Return which tool a result is of; raises `INVALID_TOOL_HISTORY` with `path` where no call waits for it."""
        waiting = self._waiting.get(call_id)
        if not waiting:
            message = "This tool result answers no tool call of the assistant message before it."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=path)
        name, _ = waiting.pop(0)
        if not waiting:
            del self._waiting[call_id]
        return name

    def expect_none(self) -> None:
        """Raise `INVALID_TOOL_HISTORY` where a call has no result although the conversation goes on."""
        for waiting in self._waiting.values():
            message = "This tool call has no result: a message with the role 'tool' must follow for each call."
            raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=waiting[0][1])


class UniqueCalls:
    """As `ToolHistory`, where each call is sent with a legal id of its own, whatever its client calls it."""

    def __init__(self) -> None:
        self._history = ToolHistory()
        self._ids = UniqueIds()

    def call(self, call_id: str, path: str) -> str:
        """Return the id to send for a call at `path`."""
        call_id = split_signature(call_id)[0]
        native = self._ids.take(call_id)
        self._history.call(call_id, path, native)
        return native

    def result(self, call_id: str, path: str) -> str:
        """Return the id to send with the result at `path`; raises `INVALID_TOOL_HISTORY` where no call waits for it."""
        return self._history.result(split_signature(call_id)[0], path)

    def expect_none(self) -> None:
        """Raise `INVALID_TOOL_HISTORY` where a call has no result although the conversation goes on."""
        self._history.expect_none()


def checked_arguments(text: str, path: str) -> str:
    """Return the arguments of a call as the text of a JSON object, `{}` for nothing; raises `ProviderError`."""
    if not text.strip():
        return NO_ARGUMENTS
    try:
        _OBJECT.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        message = "The arguments of a tool call must be a JSON object."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=path) from None
    return text


def called(call: ToolCall, path: str) -> tuple[str, Raw]:
    """Return the name of the tool that is called at `path` and the arguments as a JSON object; free text becomes one.

    Raises `ProviderError` for arguments that are none.
    """
    if isinstance(call, CustomToolCall):
        return call.custom.name, Raw(free_text.to_arguments(call.custom.input))
    arguments = checked_arguments(call.function.arguments, f"{path}.function.arguments")
    return call.function.name, Raw(arguments.encode("utf-8", "replace"))
