"""Tools and tool choice to Ollama's; knows no message.

Source: https://docs.ollama.com/capabilities/tool-calling, checked 2026-11-26. Ollama has no choice: `none` leaves the
tools out, one or some allowed tools leave the others out, and that a call was demanded is named as lost.
"""

from collections.abc import Sequence

from adapters import free_text
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.tool_parameters import parameters_of
from schemas import chat_request as hub
from schemas import ollama as wire


def to_tools(request: hub.ChatRequest, losses: Losses, choice_param: str) -> list[wire.Tool]:
    """Return the tools that may be called; raises `ProviderError` for one that cannot be offered.

    `choice_param` is the field in which the client has chosen.
    """
    definitions = _definitions(request, losses)
    choice = request.tool_choice
    if choice == "none":
        return []
    allowed, is_demanded = _allowed(choice)
    kept = [tool for tool in definitions if allowed is None or tool.function.name in allowed]
    if is_demanded and not kept:
        message = "The tool choice demands the call of a tool that the request does not have."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=choice_param)
    if is_demanded or len(kept) < len(definitions):
        losses.drop(choice_param)
    if request.parallel_tool_calls is False and kept:
        losses.drop("parallel_tool_calls")
    return kept


def _definitions(request: hub.ChatRequest, losses: Losses) -> list[wire.Tool]:
    found: list[wire.Tool] = []
    for index, tool in enumerate(request.tools or ()):
        path = f"tools[{index}]"
        if isinstance(tool, hub.CustomTool):
            found.append(_tool(free_text.as_function(tool.custom, path, losses), f"{path}.custom", losses))
            continue
        if tool.cache_control is not None:
            losses.drop("cache_control")
        found.append(_tool(tool.function, f"{path}.function", losses))
    return found


def _tool(function: hub.FunctionDefinition, path: str, losses: Losses) -> wire.Tool:
    if function.strict:
        losses.drop(f"{path}.strict")
    return wire.Tool(
        function=wire.Function(
            name=function.name,
            description=function.description,
            parameters=parameters_of(function.parameters, f"{path}.parameters"),
        )
    )


def _allowed(choice: object) -> tuple[Sequence[str] | None, bool]:
    """Return the names of the tools that may be called (None: all), and whether a call is demanded."""
    match choice:
        case "required":
            return None, True
        case hub.FunctionToolChoice(function=tool) | hub.CustomToolChoice(custom=tool):
            return [tool.name], True
        case hub.AllowedToolsChoice(allowed_tools=allowed):
            named = [reference.function or reference.custom for reference in allowed.tools]
            return [tool.name for tool in named if tool is not None], allowed.mode == "required"
        case _:
            return None, False
