"""Tools and tool choice to Cohere's; knows no message.

Source: https://docs.cohere.com/v2/docs/tool-use-parameter-types. Names consist of letters, digits and `_` and do not
begin with a digit. There is no choice of one tool: the others are left out of the request. `strict_tools` holds for all
tools alike and needs a required parameter in each.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, description_of
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.tool_names import NameForm, ToolNames
from adapters.tool_parameters import NO_PARAMETERS, SCHEMA, parameters_of
from schemas import chat_request as hub
from schemas import cohere as wire

NAMES: Final = NameForm("_", 64, identifier=True)
_REQUIRED: Final = msgspec.json.Decoder(list[str])
Choice = Literal["REQUIRED", "NONE"]


class Tools(Struct, frozen=True, kw_only=True):
    """The tools, how they may be called (None: as the model likes), and whether their schemas are enforced."""

    tools: list[wire.Tool] | None = None
    choice: Choice | None = None
    strict: bool | None = None


class _Function(Struct, frozen=True, kw_only=True):
    """A tool before it is known whether it is sent."""

    name: str
    tool: wire.Tool
    strict_path: str | None = None


def to_tools(request: hub.ChatRequest, names: ToolNames, losses: Losses) -> Tools:
    """Return the tools; raises `ProviderError` where a call is demanded that cannot be made."""
    functions = _functions(request, names, losses)
    choice, allowed = _choice(request)
    if choice == "NONE" and isinstance(request.response_format, hub.JsonSchemaFormat | hub.JsonObjectFormat):
        functions = []  # a form of the answer stands beside no tools
    if allowed is not None:
        kept = [function for function in functions if function.name in allowed]
        if len(kept) < len(functions):
            losses.drop("tool_choice")
        functions = kept
    if not functions:
        if choice == "REQUIRED":
            message = "'tool_choice' demands the call of a tool that the request does not have."
            raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="tool_choice")
        return Tools()
    if request.parallel_tool_calls is False:
        losses.drop("parallel_tool_calls")
    form = None if choice is not None else _answer_tool(request.response_format)
    if form is not None:
        functions, choice, names.has_answer_tool = [*functions, form], "REQUIRED", True
    return Tools(
        tools=[function.tool for function in functions], choice=choice, strict=_strict(functions, losses) or None
    )


def _functions(request: hub.ChatRequest, names: ToolNames, losses: Losses) -> list[_Function]:
    found: list[_Function] = []
    for index, tool in enumerate(request.tools or ()):
        path = f"tools[{index}]"
        if isinstance(tool, hub.CustomTool):
            names.mark_custom(tool.custom.name)
            found.append(_function(free_text.as_function(tool.custom, path, losses), f"{path}.custom", names))
            continue
        if tool.cache_control is not None:
            losses.drop("cache_control")
        found.append(_function(tool.function, f"{path}.function", names))
    return found


def _answer_tool(wanted: hub.ResponseFormat | None) -> _Function | None:
    """Return the function whose arguments are the answer, None where these cannot be an object of the schema."""
    if not isinstance(wanted, hub.JsonSchemaFormat):
        return None
    given = wanted.json_schema
    parameters = parameters_of(given.schema, "response_format.json_schema.schema")
    if parameters is NO_PARAMETERS or SCHEMA.decode(parameters).get("type") != Raw(b'"object"'):
        return None
    function = wire.Function(name=JSON_TOOL, description=description_of(given), parameters=parameters)
    path = "response_format.json_schema.strict" if given.strict else None
    return _Function(name=JSON_TOOL, tool=wire.Tool(function=function), strict_path=path)


def _function(function: hub.FunctionDefinition, path: str, names: ToolNames) -> _Function:
    wired = wire.Function(
        name=names.native(function.name),
        description=function.description,
        parameters=parameters_of(function.parameters, f"{path}.parameters"),
    )
    return _Function(
        name=function.name, tool=wire.Tool(function=wired), strict_path=f"{path}.strict" if function.strict else None
    )


def _strict(functions: Sequence[_Function], losses: Losses) -> bool:
    """Return whether all tools can be strict; names the wish of each that is not granted."""
    wishes = [function.strict_path for function in functions if function.strict_path is not None]
    if wishes and all(_can_be_strict(function, wished=function.strict_path is not None) for function in functions):
        return True
    for path in wishes:
        losses.drop(path)
    return False


def _can_be_strict(function: _Function, *, wished: bool) -> bool:
    parameters = function.tool.function.parameters
    if not wished and parameters is not free_text.PARAMETERS:
        return False
    required = SCHEMA.decode(parameters).get("required")
    if required is None:
        return False
    try:
        return bool(_REQUIRED.decode(required))
    except msgspec.DecodeError:
        return False


def _choice(request: hub.ChatRequest) -> tuple[Choice | None, frozenset[str] | None]:
    """Return the choice and, where not all tools may be called, the names of those that may."""
    match request.tool_choice:
        case None | "auto":
            return None, None
        case "none":
            return "NONE", None
        case "required":
            return "REQUIRED", None
        case hub.FunctionToolChoice(function=tool) | hub.CustomToolChoice(custom=tool):
            return "REQUIRED", frozenset({tool.name})
        case hub.AllowedToolsChoice(allowed_tools=allowed):
            tools = [reference.function or reference.custom for reference in allowed.tools]
            names = frozenset(tool.name for tool in tools if tool is not None)
            return "REQUIRED" if allowed.mode == "required" else None, names
