"""A called tool as clients know it: function or free text, with the client's name; knows no stream."""

from adapters import free_text
from adapters.tool_names import ToolNames
from schemas.chat_response import CalledCustomTool, CalledFunction, MessageToolCall


def to_tool_call(call_id: str, native_name: str, arguments: str, names: ToolNames) -> MessageToolCall:
    """Return a whole call."""
    name = names.original(native_name)
    if names.is_custom(name):
        return MessageToolCall(
            id=call_id, type="custom", custom=CalledCustomTool(name=name, input=free_text.text_of(arguments))
        )
    return MessageToolCall(id=call_id, function=CalledFunction(name=name, arguments=arguments or "{}"))
