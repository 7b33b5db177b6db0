"""The form of an answer told in words, where a provider has no other way to ask for it; knows no provider."""

from typing import Final

from msgspec import UnsetType
from msgspec.structs import replace

from schemas.chat_request import ChatRequest, DeveloperMessage, JsonSchemaFormat, SystemMessage

JSON_OBJECT: Final = (
    "Answer with one valid JSON object and nothing else: no text before or after it, and no code fence around it."
)
FOLLOW_SCHEMA: Final = f"{JSON_OBJECT} It must follow this JSON schema: "


def told_in_words(request: ChatRequest) -> ChatRequest:
    """Return the request with its `response_format` as an instruction behind the client's own."""
    wanted = request.response_format
    words = JSON_OBJECT
    if isinstance(wanted, JsonSchemaFormat) and not isinstance(wanted.json_schema.schema, UnsetType):
        words = FOLLOW_SCHEMA + bytes(wanted.json_schema.schema).decode("utf-8", "replace")
    messages = request.messages
    start = 0
    while start < len(messages) and isinstance(messages[start], SystemMessage | DeveloperMessage):
        start += 1
    told = [*messages[:start], SystemMessage(content=words), *messages[start:]]
    return replace(request, messages=told, response_format=None)
