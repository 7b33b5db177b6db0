"""The form of an answer beside tools, for models before Gemini 3, which take JSON mode or tools; knows no message.

A schema becomes a function that the model may call with its answer, and a call is demanded: of it or of one of the
client's. What cannot be such a function is told in words.
"""

from typing import Final

from msgspec import UnsetType
from msgspec.structs import replace

from adapters.answer_tool import JSON_TOOL, demands_call, description_of
from adapters.base import Losses
from adapters.form_in_words import told_in_words
from adapters.google.json_schema import decode_schema
from adapters.google.tools import to_parameters
from schemas.chat_request import ChatRequest, JsonObjectFormat, JsonSchema, JsonSchemaFormat
from schemas.google.request import (
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    ToolConfig,
)

_PATH: Final = "response_format.json_schema.schema"


def beside_tools(request: ChatRequest, losses: Losses) -> tuple[ChatRequest, FunctionDeclaration | None]:
    """Return the request without a form that its tools exclude, and the function that stands for it.

    Tools that must not be called are left out instead; where a call of one of them is demanded no form is needed.
    """
    wanted = request.response_format
    search = request.web_search_options
    searches = not isinstance(search, UnsetType) and bytes(search) != b"null"
    if not isinstance(wanted, JsonObjectFormat | JsonSchemaFormat) or not (request.tools or searches):
        return request, None
    if request.tool_choice == "none" and not searches:
        return replace(request, tools=None, tool_choice=None), None
    if demands_call(request):
        return replace(request, response_format=None), None
    if isinstance(wanted, JsonSchemaFormat):
        function = None if searches else _function(wanted.json_schema)
        if function is not None:
            return replace(request, response_format=None), function
        losses.drop("response_format")
    return told_in_words(request), None


def with_answer_tool(body: GenerateContentRequest, function: FunctionDeclaration) -> GenerateContentRequest:
    """Return the body with the function beside the client's, one of which must be called."""
    tools = [
        replace(tool, function_declarations=[*tool.function_declarations, function])
        if tool.function_declarations
        else tool
        for tool in body.tools or ()
    ]
    config = body.tool_config or ToolConfig()
    calling = config.function_calling_config
    allowed = calling.allowed_function_names if calling is not None else None
    names = [*allowed, JSON_TOOL] if allowed else None
    demanded = FunctionCallingConfig(mode="ANY", allowed_function_names=names)
    return replace(body, tools=tools, tool_config=replace(config, function_calling_config=demanded))


def _function(wanted: JsonSchema) -> FunctionDeclaration | None:
    """Return the function whose arguments are the answer, None where these cannot be an object of this schema."""
    if not wanted.schema or bytes(wanted.schema) == b"null":
        return None
    schema = decode_schema(wanted.schema, _PATH)
    if schema.get("type") != "object":
        return None
    in_openapi, in_json_schema = to_parameters(wanted.schema, _PATH)
    return FunctionDeclaration(
        name=JSON_TOOL,
        description=description_of(wanted),
        parameters=in_openapi,
        parameters_json_schema=in_json_schema,
    )
