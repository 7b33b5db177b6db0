"""Tools in the names and forms that a server takes, and its calls in the client's; knows no wire.

Nothing happens where every name is legal and every form known. Source of the rule for names:
https://platform.openai.com/docs/api-reference/chat/create (tools.function.name), which the other servers share.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from adapters import free_text
from adapters.base import Losses
from adapters.exchange import Translator
from adapters.openai.quirks import Quirks
from adapters.sse import Event
from adapters.stream_state import SharedState
from adapters.tool_names import NameForm, ToolNames
from schemas.chat_request import (
    AllowedToolsChoice,
    AssistantMessage,
    ChatRequest,
    CustomTool,
    CustomToolCall,
    CustomToolChoice,
    FunctionCall,
    FunctionDefinition,
    FunctionMessage,
    FunctionTool,
    FunctionToolCall,
    FunctionToolChoice,
    LegacyFunctionName,
    Message,
    Tool,
    ToolCall,
    ToolMessage,
    ToolName,
    ToolReference,
)
from schemas.chat_response import (
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CustomDelta,
    FunctionDelta,
    MessageToolCall,
    ToolCallDelta,
)

NAMES: Final = NameForm("_-", 64)


def fit_tools(request: ChatRequest, quirks: Quirks, losses: Losses) -> tuple[ChatRequest, ToolNames | None]:
    """Return the request with tools that the server takes, and the names' way back; None where nothing changed."""
    if _definitions_fit(request, quirks) and _history_fits(request, quirks):
        return request, None
    return _Fitting(quirks, losses).request(request)


def _definitions_fit(request: ChatRequest, quirks: Quirks) -> bool:
    """A choice names one of the tools, so that it needs no look."""
    for tool in request.tools or ():
        if isinstance(tool, CustomTool):
            if not quirks.custom_tools or not NAMES.is_legal(tool.custom.name):
                return False
        elif not NAMES.is_legal(tool.function.name):
            return False
    return request.functions is None or all(NAMES.is_legal(function.name) for function in request.functions)


def _history_fits(request: ChatRequest, quirks: Quirks) -> bool:
    for message in request.messages:
        if type(message) is AssistantMessage:
            if (message.tool_calls or message.function_call) and not _calls_fit(message, quirks):
                return False
        elif type(message) is FunctionMessage and not NAMES.is_legal(message.name):
            return False
    return True


def _calls_fit(message: AssistantMessage, quirks: Quirks) -> bool:
    for call in message.tool_calls or ():
        if isinstance(call, CustomToolCall):
            if not quirks.custom_tools or not NAMES.is_legal(call.custom.name):
                return False
        elif not NAMES.is_legal(call.function.name):
            return False
    return message.function_call is None or NAMES.is_legal(message.function_call.name)


class _Fitting:
    """One request's way to the server."""

    def __init__(self, quirks: Quirks, losses: Losses) -> None:
        self._names = ToolNames(NAMES)
        self._keeps_custom = quirks.custom_tools
        self._losses = losses

    def request(self, request: ChatRequest) -> tuple[ChatRequest, ToolNames]:
        """Return the request, and the way back."""
        changes: dict[str, object] = {}
        if request.tools:
            changes["tools"] = [self._tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
        if request.functions:
            changes["functions"] = [self._definition(function) for function in request.functions]
        if isinstance(request.function_call, LegacyFunctionName):
            changes["function_call"] = LegacyFunctionName(name=self._names.native(request.function_call.name))
        changes["tool_choice"] = self._choice(request.tool_choice)
        changes["messages"] = [self._message(message) for message in request.messages]
        return replace(request, **changes), self._names

    def _tool(self, tool: Tool, path: str) -> Tool:
        if isinstance(tool, FunctionTool):
            return replace(tool, function=self._definition(tool.function))
        if self._keeps_custom:
            return CustomTool(custom=replace(tool.custom, name=self._names.native(tool.custom.name)))
        self._names.mark_custom(tool.custom.name)
        return FunctionTool(function=self._definition(free_text.as_function(tool.custom, path, self._losses)))

    def _definition(self, function: FunctionDefinition) -> FunctionDefinition:
        return replace(function, name=self._names.native(function.name))

    def _choice(self, choice: object) -> object:
        match choice:
            case FunctionToolChoice(function=tool):
                return FunctionToolChoice(function=self._named(tool))
            case CustomToolChoice(custom=tool):
                named = self._named(tool)
                return CustomToolChoice(custom=named) if self._keeps_custom else FunctionToolChoice(function=named)
            case AllowedToolsChoice(allowed_tools=allowed):
                tools = [self._reference(tool) for tool in allowed.tools]
                return AllowedToolsChoice(allowed_tools=replace(allowed, tools=tools))
            case _:
                return choice

    def _reference(self, tool: ToolReference) -> ToolReference:
        if tool.custom is None:
            return tool if tool.function is None else replace(tool, function=self._named(tool.function))
        named = self._named(tool.custom)
        return replace(tool, custom=named) if self._keeps_custom else ToolReference(type="function", function=named)

    def _named(self, tool: ToolName) -> ToolName:
        return ToolName(name=self._names.native(tool.name))

    def _message(self, message: Message) -> Message:
        if isinstance(message, FunctionMessage):
            return replace(message, name=self._names.native(message.name))
        if isinstance(message, ToolMessage):
            return replace(message, name=self._names.native(message.name)) if message.name else message
        if not isinstance(message, AssistantMessage):
            return message
        changes: dict[str, object] = {}
        if message.tool_calls:
            changes["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if message.function_call is not None:
            changes["function_call"] = self._called(message.function_call)
        return replace(message, **changes) if changes else message

    def _call(self, call: ToolCall) -> ToolCall:
        if isinstance(call, FunctionToolCall):
            return replace(call, function=self._called(call.function))
        name = self._names.native(call.custom.name)
        if self._keeps_custom:
            return replace(call, custom=replace(call.custom, name=name))
        arguments = free_text.to_arguments(call.custom.input).decode()
        return FunctionToolCall(id=call.id, function=FunctionCall(name=name, arguments=arguments))

    def _called(self, called: FunctionCall) -> FunctionCall:
        return replace(called, name=self._names.native(called.name))


# --- the way back


def restore(completion: ChatCompletion, names: ToolNames) -> None:
    """Give a whole answer's calls the client's names and forms."""
    for choice in completion.choices:
        message = choice.message
        if isinstance(message.function_call, CalledFunction):
            message.function_call.name = names.original(message.function_call.name)
        if not isinstance(message.tool_calls, UnsetType):
            for call in message.tool_calls:
                _restore_call(call, names)


def _restore_call(call: MessageToolCall, names: ToolNames) -> None:
    if not isinstance(call.custom, UnsetType):
        call.custom.name = names.original(call.custom.name)
    if isinstance(call.function, UnsetType):
        return
    called: CalledFunction = call.function
    called.name = names.original(called.name)
    if names.is_custom(called.name):
        call.type, call.function = "custom", UNSET
        call.custom = CalledCustomTool(name=called.name, input=free_text.text_of(called.arguments))


class RestoringTranslator(SharedState):
    """A `Translator` whose calls have the client's names and forms.

    A free text comes in one piece: at the end of its arguments, which the next call or the end of the answer tells.
    """

    def __init__(self, translator: Translator[ChatCompletionChunk], names: ToolNames) -> None:
        super().__init__(translator)
        self._translator = translator
        self._names = names
        self._texts: dict[int, dict[int, list[str]]] = {}

    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        return self._restored(self._translator.feed(event))

    def finish(self) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        return self._restored(self._translator.finish())

    def _restored(self, chunks: Sequence[ChatCompletionChunk]) -> list[ChatCompletionChunk]:
        restored: list[ChatCompletionChunk] = []
        for chunk in chunks:
            for choice in chunk.choices:
                self._end_texts(restored, chunk, choice)
            left = [choice for choice in chunk.choices if self._restore_choice(choice)]
            if left or not chunk.choices:
                chunk.choices = left
                restored.append(chunk)
        return restored

    def _restore_choice(self, choice: ChunkChoice) -> bool:
        """Rewrite what is said of calls; False where nothing is left for the client."""
        delta = choice.delta
        if not isinstance(delta.function_call, UnsetType) and not isinstance(delta.function_call.name, UnsetType):
            delta.function_call.name = self._names.original(delta.function_call.name)
        if isinstance(delta.tool_calls, UnsetType):
            return True
        delta.tool_calls = [call for call in delta.tool_calls if self._restore_delta(choice.index, call)]
        return bool(delta.tool_calls)

    def _restore_delta(self, choice: int, call: ToolCallDelta) -> bool:
        if not isinstance(call.custom, UnsetType) and not isinstance(call.custom.name, UnsetType):
            call.custom.name = self._names.original(call.custom.name)
        if isinstance(call.function, UnsetType):
            return True
        function: FunctionDelta = call.function
        if not isinstance(function.name, UnsetType):
            function.name = self._names.original(function.name)
            if self._names.is_custom(function.name):
                self._texts.setdefault(choice, {})[call.index] = []
                call.type, call.function, call.custom = "custom", UNSET, CustomDelta(name=function.name, input="")
            return True
        pieces = self._texts.get(choice, {}).get(call.index)
        if pieces is None:
            return True
        pieces.append(function.arguments or "")
        return False

    def _end_texts(self, restored: list[ChatCompletionChunk], chunk: ChatCompletionChunk, choice: ChunkChoice) -> None:
        """Send the free texts that the chunk ends: all at the end of the choice, whole ones where a call begins."""
        waiting = self._texts.get(choice.index)
        if not waiting:
            return
        calls = choice.delta.tool_calls
        is_end = choice.finish_reason is not None
        if not is_end and (isinstance(calls, UnsetType) or all(isinstance(call.id, UnsetType) for call in calls)):
            return
        for index, pieces in tuple(waiting.items()):
            arguments = "".join(pieces)
            if is_end or free_text.is_whole(arguments):
                del waiting[index]
                call = ToolCallDelta(index=index, custom=CustomDelta(input=free_text.text_of(arguments)))
                restored.append(_beside(chunk, choice, ChoiceDelta(tool_calls=[call])))


def _beside(chunk: ChatCompletionChunk, choice: ChunkChoice, delta: ChoiceDelta) -> ChatCompletionChunk:
    """Return a chunk like another of the same choice, with a delta of its own."""
    return ChatCompletionChunk(
        id=chunk.id,
        choices=[ChunkChoice(index=choice.index, delta=delta)],
        created=chunk.created,
        model=chunk.model,
        service_tier=chunk.service_tier,
        system_fingerprint=chunk.system_fingerprint,
    )
