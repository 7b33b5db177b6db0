"""OpenAI's deprecated functions in the form of tools, for providers that know tools alone; knows no provider."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import (
    AssistantMessage,
    ChatRequest,
    FunctionMessage,
    FunctionTool,
    FunctionToolCall,
    FunctionToolChoice,
    LegacyFunctionName,
    Message,
    ToolMessage,
    ToolName,
)


def with_tools(request: ChatRequest) -> ChatRequest:
    """Return the request with tools for its functions, calls with ids for its function calls, and their results.

    Raises:
        ProviderError: a function's result answers no call.
    """
    if request.functions is None and request.function_call is None and not _has_calls(request.messages):
        return request
    tools = [*(request.tools or ()), *(FunctionTool(function=function) for function in request.functions or ())]
    choice = request.function_call
    return replace(
        request,
        messages=_messages(request.messages),
        functions=None,
        function_call=None,
        tools=tools or None,
        tool_choice=FunctionToolChoice(function=ToolName(name=choice.name))
        if isinstance(choice, LegacyFunctionName)
        else request.tool_choice or choice,
    )


def _has_calls(messages: Sequence[Message]) -> bool:
    return any(
        isinstance(message, FunctionMessage)
        or (isinstance(message, AssistantMessage) and message.function_call is not None)
        for message in messages
    )


def _messages(messages: Sequence[Message]) -> list[Message]:
    """Pair calls with results by their name: at most one call of a function waits at a time."""
    result: list[Message] = []
    waiting: dict[str, str] = {}
    for index, message in enumerate(messages):
        if isinstance(message, AssistantMessage) and (called := message.function_call) is not None:
            waiting[called.name] = f"function_{index}"
            call = FunctionToolCall(id=waiting[called.name], function=called)
            result.append(replace(message, function_call=None, tool_calls=[*(message.tool_calls or ()), call]))
        elif isinstance(message, FunctionMessage):
            call_id = waiting.pop(message.name, None)
            if call_id is None:
                text = "This function result answers no function call of the assistant message before it."
                raise ProviderError(ErrorKind.INVALID_TOOL_HISTORY, text, param=f"messages[{index}].name")
            result.append(ToolMessage(content=message.content or "", tool_call_id=call_id))
        else:
            result.append(message)
    return result
