"""Whether a request defines the tools that it chooses; knows no provider.

OpenAI refuses a choice of what is not among the tools. Other providers answer it in many ways, so it is said here, once
for all of them. `auto` and `none` without tools ask for nothing: adapters leave them out.
"""

from aqueduct.errors import GatewayError, invalid_request, shown
from schemas.chat_request import (
    AllowedToolsChoice,
    ChatRequest,
    CustomToolChoice,
    FunctionTool,
    FunctionToolChoice,
    LegacyFunctionName,
)


def check_tool_choice(request: ChatRequest) -> None:
    """Raise a 400 that names the field in which a tool is chosen that the request lacks."""
    match request.tool_choice:
        case None | "auto" | "none":
            pass
        case "required" if not request.tools:
            raise _without_tools("tool_choice")
        case FunctionToolChoice(function=tool) | CustomToolChoice(custom=tool):
            _demand(request, tool.name, "tool_choice")
        case AllowedToolsChoice(allowed_tools=allowed):
            path = "tool_choice.allowed_tools.tools"
            if not allowed.tools:
                message = f"Invalid '{path}': name at least one tool."
                raise invalid_request("invalid_value", message, path)
            for index, reference in enumerate(allowed.tools):
                named = reference.function or reference.custom
                if named is not None:
                    _demand(request, named.name, f"{path}[{index}]")
        case _:
            pass
    if isinstance(request.function_call, LegacyFunctionName):
        _demand(request, request.function_call.name, "function_call")


def _demand(request: ChatRequest, name: str, param: str) -> None:
    field, names = _defined(request, param)
    if not names:
        raise _without_tools(param)
    if name not in names:
        message = f"Tool choice '{shown(name)}' not found in '{field}' parameter."
        raise invalid_request("invalid_value", message, param)


def _without_tools(param: str) -> GatewayError:
    choice = param.partition(".")[0]
    field = "functions" if choice == "function_call" else "tools"
    message = f"Invalid value for '{choice}': '{choice}' is only allowed when '{field}' are specified."
    return invalid_request("invalid_value", message, param)


def _defined(request: ChatRequest, param: str) -> tuple[str, set[str]]:
    """Return the field whose tools `param` may name, and their names."""
    if param == "function_call":
        return "functions", {function.name for function in request.functions or ()}
    tools = request.tools or ()
    return "tools", {tool.function.name if isinstance(tool, FunctionTool) else tool.custom.name for tool in tools}
