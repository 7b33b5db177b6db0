"""Tools and tool choice; knows no message.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview, checked 2026-11-24.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType
from msgspec.structs import replace

from adapters import free_text
from adapters.anthropic import schema as schemas
from adapters.anthropic.models import ModelFacts
from adapters.anthropic.names import WEB_SEARCH
from adapters.anthropic.parts import to_cache_control
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.tool_names import ToolNames
from schemas import chat_request as hub
from schemas.anthropic import request as wire

MAX_STRICT: Final = 20
_STRICT: Final = "tools[].function.strict"
_FREE_TEXT: Final = Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)


class _Location(Struct):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _UserLocation(Struct):
    approximate: _Location | None = None


class _WebSearch(Struct):
    search_context_size: str | None = None
    user_location: _UserLocation | None = None


_WEB_SEARCH: Final = msgspec.json.Decoder(_WebSearch)


def to_tools(
    request: hub.ChatRequest,
    names: ToolNames,
    facts: ModelFacts,
    complexity: schemas.Complexity,
    losses: Losses,
) -> list[wire.Tool | wire.WebSearchTool]:
    """Return the tools in the request's order, the provider's own web search last."""
    tools: list[wire.Tool | wire.WebSearchTool] = []
    for index, tool in enumerate(request.tools or ()):
        match tool:
            case hub.FunctionTool(function=function, cache_control=cache):
                made = _to_tool(function, f"tools[{index}].function", names)
                tools.append(replace(made, cache_control=to_cache_control(cache)))
            case hub.CustomTool(custom=custom):
                names.mark_custom(custom.name)
                function = free_text.as_function(custom, f"tools[{index}]", losses)
                tools.append(_to_tool(replace(function, parameters=_FREE_TEXT), f"tools[{index}].custom", names))
    tools = _with_strictness(tools, facts, complexity, losses)
    if not isinstance(request.web_search_options, UnsetType):
        tools.append(_to_web_search(request.web_search_options, losses))
    return tools


def to_tool_choice(
    request: hub.ChatRequest, tools: list[wire.Tool | wire.WebSearchTool], names: ToolNames, facts: ModelFacts
) -> tuple[list[wire.Tool | wire.WebSearchTool], wire.ToolChoice | None]:
    """Return the tools that may be called, and how."""
    choice = request.tool_choice
    has_tools = any(isinstance(tool, wire.Tool) for tool in tools)
    if not has_tools and choice not in {None, "auto", "none"}:
        message = "A tool choice needs tools."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="tool_choice")
    made: wire.ToolChoice | None
    if isinstance(choice, hub.AllowedToolsChoice):
        tools, made = _allowed(choice.allowed_tools, tools, names)
    else:
        made = _to_choice(choice, names)
    if made is not None and made.type in {"any", "tool"} and not facts.forced_tools:
        message = "This model cannot be made to call a tool. Leave 'tool_choice' at 'auto' or 'none'."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="tool_choice")
    if not tools:
        return tools, None
    if request.parallel_tool_calls is False and has_tools:
        made = made or wire.ToolChoice(type="auto")
        if made.type != "none":
            made = replace(made, disable_parallel_tool_use=True)
    return tools, made


def tools_of_history(names: Sequence[str]) -> list[wire.Tool | wire.WebSearchTool]:
    """Return definitions for tools that only the history knows; the provider refuses tool blocks without any."""
    return [wire.Tool(name=name, input_schema=schemas.EMPTY_INPUT) for name in names]


def _to_choice(
    choice: str | hub.FunctionToolChoice | hub.CustomToolChoice | None, names: ToolNames
) -> wire.ToolChoice | None:
    match choice:
        case hub.FunctionToolChoice(function=tool) | hub.CustomToolChoice(custom=tool):
            return wire.ToolChoice(type="tool", name=names.native(tool.name))
        case "none":
            return wire.ToolChoice(type="none")
        case "auto":
            return wire.ToolChoice(type="auto")
        case "required":
            return wire.ToolChoice(type="any")
        case _:
            return None


def _allowed(
    allowed: hub.AllowedTools, tools: list[wire.Tool | wire.WebSearchTool], names: ToolNames
) -> tuple[list[wire.Tool | wire.WebSearchTool], wire.ToolChoice]:
    wanted = {
        names.native(named.name)
        for reference in allowed.tools
        if (named := reference.function or reference.custom) is not None
    }
    left = [tool for tool in tools if isinstance(tool, wire.WebSearchTool) or tool.name in wanted]
    if not any(isinstance(tool, wire.Tool) for tool in left):
        message = "None of the allowed tools is among the tools."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="tool_choice.allowed_tools.tools")
    return left, wire.ToolChoice(type="any" if allowed.mode == "required" else "auto")


def _to_tool(function: hub.FunctionDefinition, path: str, names: ToolNames) -> wire.Tool:
    return wire.Tool(
        name=names.native(function.name),
        description=function.description or None,
        input_schema=_to_input_schema(function.parameters, f"{path}.parameters"),
        strict=function.strict or None,
    )


def _to_input_schema(parameters: Raw | UnsetType, path: str) -> Raw:
    if isinstance(parameters, UnsetType) or bytes(parameters) == b"null":
        return schemas.EMPTY_INPUT
    schema = schemas.decode(parameters)
    root = schemas.to_object_root(schema) if schema is not None else None
    if root is None:
        message = "A tool's parameters must be a JSON schema of the type 'object'."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=path)
    return parameters if root is schema else schemas.encode(root)


def _with_strictness(
    tools: list[wire.Tool | wire.WebSearchTool], facts: ModelFacts, complexity: schemas.Complexity, losses: Losses
) -> list[wire.Tool | wire.WebSearchTool]:
    """Keep `strict` where all strict schemas together can be compiled, else drop it from all of them."""
    strict = [tool for tool in tools if isinstance(tool, wire.Tool) and tool.strict]
    if not strict:
        return tools
    made: dict[str, wire.Tool] = {}
    if facts.structured_outputs and len(strict) <= MAX_STRICT:
        made = _constrained(strict, complexity)
    if len(made) < len(strict):
        losses.drop(_STRICT)
    result: list[wire.Tool | wire.WebSearchTool] = []
    for tool in tools:
        if isinstance(tool, wire.Tool) and tool.strict:
            result.append(made.get(tool.name) or replace(tool, strict=None))
        else:
            result.append(tool)
    return result


def _constrained(tools: list[wire.Tool], complexity: schemas.Complexity) -> dict[str, wire.Tool]:
    made: dict[str, wire.Tool] = {}
    for tool in tools:
        schema = schemas.decode(tool.input_schema) or {}
        try:
            made[tool.name] = replace(tool, input_schema=schemas.encode(schemas.to_constrained(schema, complexity)))
        except schemas.NotCarriedError:
            if complexity.is_too_much:
                break
    if complexity.is_too_much:
        complexity.optional = complexity.unions = 0
        made.clear()
    return made


def _to_web_search(options: Raw, losses: Losses) -> wire.WebSearchTool:
    try:
        given = _WEB_SEARCH.decode(options)
    except (msgspec.DecodeError, RecursionError):
        message = "'web_search_options' is not what the API promises."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="web_search_options") from None
    if given.search_context_size not in {None, "medium"}:
        losses.drop("web_search_options.search_context_size")
    place = given.user_location.approximate if given.user_location is not None else None
    location = None
    if place is not None:
        location = wire.UserLocation(
            city=place.city, country=place.country, region=place.region, timezone=place.timezone
        )
    return wire.WebSearchTool(name=WEB_SEARCH, user_location=location)
