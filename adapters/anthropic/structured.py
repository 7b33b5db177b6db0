"""`response_format` to constrained decoding, to a tool that must be called, or to an instruction; knows no message."""

from typing import Final

from msgspec import Struct

from adapters.answer_tool import JSON_TOOL, description_of
from adapters.anthropic import schema as schemas
from adapters.anthropic.models import ModelFacts
from adapters.errors import ErrorKind, ProviderError
from adapters.form_in_words import JSON_OBJECT
from schemas import chat_request as hub
from schemas.anthropic import request as wire

_PATH: Final = "response_format.json_schema.schema"


class Format(Struct, frozen=True, kw_only=True):
    """One of three ways, or none of them."""

    native: wire.OutputFormat | None = None
    tool: wire.Tool | None = None
    instruction: str | None = None


def to_format(request: hub.ChatRequest, facts: ModelFacts, complexity: schemas.Complexity) -> Format:
    """Return how the answer's form is asked for; a schema that constrained decoding cannot hold becomes a tool."""
    match request.response_format:
        case hub.JsonObjectFormat():
            return Format(instruction=JSON_OBJECT)
        case hub.JsonSchemaFormat(json_schema=given):
            return _from_schema(given, facts, complexity)
        case hub.TextFormat() | None:
            return Format()


def _from_schema(given: hub.JsonSchema, facts: ModelFacts, complexity: schemas.Complexity) -> Format:
    schema = schemas.decode(given.schema)
    if schema is None:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "The schema must be an object.", param=_PATH)
    if not schema:
        return Format(instruction=JSON_OBJECT)
    if facts.structured_outputs:
        try:
            constrained = schemas.to_constrained(schema, complexity)
        except schemas.NotCarriedError:
            pass
        else:
            if not complexity.is_too_much:
                return Format(native=wire.OutputFormat(schema=schemas.encode(constrained)))
    return Format(tool=_to_tool(given, schema))


def _to_tool(given: hub.JsonSchema, schema: schemas.JsonObject) -> wire.Tool:
    root = schemas.to_object_root(schema)
    if root is None:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "The schema's root must be of the type 'object'.", param=_PATH)
    return wire.Tool(name=JSON_TOOL, description=description_of(given), input_schema=schemas.encode(root))
