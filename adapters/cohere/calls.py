"""A called tool as clients know it: function or free text, with the client's name; knows no stream."""

import msgspec
from msgspec import Struct

from adapters.cohere.names import ToolNames
from adapters.exchange import UNREADABLE
from schemas.chat_response import CalledCustomTool, CalledFunction, MessageToolCall


class _CustomArguments(Struct, frozen=True):
    input: str


_CUSTOM = msgspec.json.Decoder(_CustomArguments)


def to_tool_call(call_id: str, native_name: str, arguments: str, names: ToolNames) -> MessageToolCall:
    """Return a whole call."""
    name = names.original(native_name)
    if names.is_custom(name):
        return MessageToolCall(
            id=call_id, type="custom", custom=CalledCustomTool(name=name, input=custom_input(arguments))
        )
    return MessageToolCall(id=call_id, function=CalledFunction(name=name, arguments=arguments or "{}"))


def custom_input(arguments: str) -> str:
    """Return the free text within a function's arguments; what holds none is the text itself."""
    try:
        return _CUSTOM.decode(arguments.encode("utf-8", "replace")).input
    except UNREADABLE:
        return arguments
