"""OpenAI's deprecated functions for providers that know tools alone, there and back; knows no provider."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from adapters.base import ChunkStream
from adapters.errors import ErrorKind, ProviderError
from adapters.stream_state import SharedState
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
from schemas.chat_response import ChatCompletion, ChatCompletionChunk, ChoiceDelta, ChunkChoice

_NOTHING: Final = ChoiceDelta()


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


def to_function_call(body: ChatCompletion) -> None:
    """Put each answer's first tool call where a client of functions looks for it; it has room for one."""
    for choice in body.choices:
        message = choice.message
        if not isinstance(message.tool_calls, UnsetType):
            called = [call.function for call in message.tool_calls if not isinstance(call.function, UnsetType)]
            message.function_call = called[0] if called else UNSET
            message.tool_calls = UNSET
        if choice.finish_reason == "tool_calls":
            choice.finish_reason = "function_call"


class FunctionCallStream(SharedState):
    """A `ChunkStream` whose tool calls are told as `to_function_call` does."""

    def __init__(self, stream: ChunkStream[ChatCompletionChunk]) -> None:
        super().__init__(stream)
        self.dropped_params = stream.dropped_params
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[tuple[ChatCompletionChunk, ...]]:
        async for chunks in self._stream:
            yield _told(chunks)

    async def push(self, take: Callable[[Sequence[ChatCompletionChunk]], bool]) -> bool:
        """See `ChunkStream`."""
        return await self._stream.push(lambda chunks: take(_told(chunks)))

    async def aclose(self) -> None:
        """See `ChunkStream`."""
        await self._stream.aclose()


def _told(chunks: Iterable[ChatCompletionChunk]) -> tuple[ChatCompletionChunk, ...]:
    return tuple(chunk for chunk in chunks if _tell(chunk))


def _tell(chunk: ChatCompletionChunk) -> bool:
    """Rewrite a chunk; False where nothing of it is left."""
    return not chunk.choices or max(map(_tell_choice, chunk.choices))


def _tell_choice(choice: ChunkChoice) -> bool:
    if choice.finish_reason == "tool_calls":
        choice.finish_reason = "function_call"
    calls = choice.delta.tool_calls
    if isinstance(calls, UnsetType):
        return True
    choice.delta.tool_calls = UNSET
    for call in calls:
        if call.index == 0 and not isinstance(call.function, UnsetType):
            choice.delta.function_call = call.function
            return True
    return choice.finish_reason is not None or choice.delta != _NOTHING
