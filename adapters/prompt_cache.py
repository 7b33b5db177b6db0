"""Cache breakpoints for prompts that have none, where the operator wants them; knows no provider.

Such a provider caches what comes before a breakpoint, in the order tools, instructions, messages. So three of them do:
behind the tools, behind the instructions, and behind what the user or a tool said last, where the next turn finds it.
A client that sets a breakpoint of its own has thought about it, and nothing is added.
"""

from msgspec.structs import replace

from adapters.base import AutoCache
from schemas.chat_request import (
    CacheControl,
    ChatRequest,
    ContentPartBase,
    DeveloperMessage,
    FunctionMessage,
    FunctionTool,
    Message,
    SystemMessage,
    Tool,
    ToolMessage,
    UserMessage,
)


def with_breakpoints(request: ChatRequest, lifetime: AutoCache | None, *, tools: bool = True) -> ChatRequest:
    """Return the request with breakpoints of this lifetime (None: as it is); `tools`: whether tools can have one."""
    if lifetime is None or _is_marked(request):
        return request
    cache = CacheControl(ttl=None if lifetime == "5m" else lifetime)  # five minutes go without saying
    messages = [*request.messages]
    for kinds in ((SystemMessage, DeveloperMessage), (UserMessage, ToolMessage)):
        _mark_last(messages, kinds, cache)
    made = replace(request, messages=messages)
    if tools and request.tools and isinstance(request.tools[-1], FunctionTool):
        made = replace(made, tools=[*request.tools[:-1], replace(request.tools[-1], cache_control=cache)])
    return made


def _is_marked(request: ChatRequest) -> bool:
    return any(map(_message_is_marked, request.messages)) or any(map(_tool_is_marked, request.tools or ()))


def _tool_is_marked(tool: Tool) -> bool:
    return isinstance(tool, FunctionTool) and tool.cache_control is not None


def _message_is_marked(message: Message) -> bool:
    if isinstance(message, FunctionMessage):
        return False
    return message.cache_control is not None or (
        isinstance(message.content, list) and any(map(_part_is_marked, message.content))
    )


def _part_is_marked(part: ContentPartBase) -> bool:
    return part.cache_control is not None or part.prompt_cache_breakpoint is not None


def _mark_last(messages: list[Message], kinds: tuple[type[Message], ...], cache: CacheControl) -> None:
    """Set a breakpoint on the last message of these kinds that says something."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, kinds) and not isinstance(message, FunctionMessage) and message.content:
            messages[index] = replace(message, cache_control=cache)
            return
