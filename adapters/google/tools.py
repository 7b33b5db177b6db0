"""Tools, tool choice and web search to Gemini's tools; knows no message."""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, Raw, UnsetType

from adapters import free_text
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.google.json_schema import decode_schema, fits_openapi
from adapters.google.models import ModelFacts
from adapters.tool_names import NameForm, ToolNames
from schemas.chat_request import (
    AllowedToolsChoice,
    ChatRequest,
    CustomTool,
    CustomToolChoice,
    FunctionDefinition,
    FunctionToolChoice,
    ToolReference,
)
from schemas.google.request import FunctionCallingConfig, FunctionDeclaration, GoogleSearch, Tool, ToolConfig

NAMES: Final = NameForm("_.:-", 64, identifier=True)
"""https://ai.google.dev/api/caching#FunctionDeclaration"""


def to_tools(request: ChatRequest, names: ToolNames, losses: Losses) -> list[Tool] | None:
    """Return the tools, None where there are none. A custom tool becomes a function with one text, `input`."""
    declarations = _declarations(request, names, losses)
    tools = [Tool(function_declarations=declarations)] if declarations else []
    if request.web_search_options and bytes(request.web_search_options) != b"null":
        options = decode_schema(request.web_search_options, "web_search_options")
        for name in options:
            losses.drop(f"web_search_options.{name}")
        tools.append(Tool(google_search=GoogleSearch()))
    if request.parallel_tool_calls is False and declarations:
        losses.drop("parallel_tool_calls")
    return tools or None


def _declarations(request: ChatRequest, names: ToolNames, losses: Losses) -> list[FunctionDeclaration]:
    found: list[FunctionDeclaration] = []
    for index, tool in enumerate(request.tools or ()):
        path = f"tools[{index}]"
        if isinstance(tool, CustomTool):
            names.mark_custom(tool.custom.name)
            found.append(_function(free_text.as_function(tool.custom, path, losses), f"{path}.custom", names, losses))
        else:
            if tool.cache_control is not None:
                losses.drop("cache_control")
            found.append(_function(tool.function, f"{path}.function", names, losses))
    return found


def _function(function: FunctionDefinition, path: str, names: ToolNames, losses: Losses) -> FunctionDeclaration:
    if function.strict:
        losses.drop(f"{path}.strict")
    in_openapi, in_json_schema = to_parameters(function.parameters, f"{path}.parameters")
    return FunctionDeclaration(
        name=names.native(function.name),
        description=function.description,
        parameters=in_openapi,
        parameters_json_schema=in_json_schema,
    )


def to_parameters(raw: Raw | UnsetType, path: str) -> tuple[Raw | UnsetType, Raw | UnsetType]:
    """Return the schema as `parameters` or as `parametersJsonSchema`, whichever can say it."""
    if not raw or bytes(raw) == b"null":
        return UNSET, UNSET
    schema = decode_schema(raw, path)
    if not schema:
        return UNSET, UNSET
    return (raw, UNSET) if fits_openapi(schema) else (UNSET, raw)


def to_tool_config(
    request: ChatRequest, tools: Sequence[Tool] | None, names: ToolNames, facts: ModelFacts
) -> ToolConfig | None:
    """Return how tools may be called, None where the model decides by itself."""
    has_functions = any(tool.function_declarations for tool in tools or ())
    is_mixed = facts.mixed_tools and facts.declares_mixed_tools and has_functions and len(tools or ()) > 1
    calling = _calling(request, names)
    if calling is not None and not has_functions:
        if calling.mode == "ANY":
            message = "'tool_choice' demands a tool call, but the request has no tools."
            raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="tool_choice")
        calling = None
    if calling is None and not is_mixed:
        return None
    return ToolConfig(function_calling_config=calling, include_server_side_tool_invocations=True if is_mixed else None)


def _calling(request: ChatRequest, names: ToolNames) -> FunctionCallingConfig | None:
    match request.tool_choice:
        case None:
            return None
        case "auto":
            return FunctionCallingConfig(mode="AUTO")
        case "none":
            return FunctionCallingConfig(mode="NONE")
        case "required":
            return FunctionCallingConfig(mode="ANY")
        case FunctionToolChoice(function=tool) | CustomToolChoice(custom=tool):
            return FunctionCallingConfig(mode="ANY", allowed_function_names=[names.native(tool.name)])
        case AllowedToolsChoice(allowed_tools=allowed):
            # `AUTO` takes no list of names; `VALIDATED` lets the model choose between text and the listed tools.
            return FunctionCallingConfig(
                mode="ANY" if allowed.mode == "required" else "VALIDATED",
                allowed_function_names=[names.native(name) for name in _allowed_names(allowed.tools)],
            )


def _allowed_names(references: Sequence[ToolReference]) -> list[str]:
    found = [reference.function or reference.custom for reference in references]
    return [tool.name for tool in found if tool is not None]
