"""The form that a chat request asks its answers in, and what must have it; knows no checker."""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from aqueduct.schema_check.checker import ANY_OBJECT
from schemas.chat_request import (
    AssistantMessage,
    ChatRequest,
    JsonObjectFormat,
    JsonSchemaFormat,
    UserMessage,
)
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

MAX_TEXT_CHARS: Final = 4 * 1024 * 1024
_AGAIN: Final = (
    "Your answer does not follow the JSON schema that was asked for. {reason} "
    "Answer again with JSON that follows it, and with nothing else."
)


def schema(request: ChatRequest) -> bytes | None:
    """Return the JSON schema that answers must follow."""
    match request.response_format:
        case JsonObjectFormat():
            return ANY_OBJECT
        case JsonSchemaFormat(json_schema=given):
            return ANY_OBJECT if given.schema is UNSET or bytes(given.schema) == b"null" else bytes(given.schema)
        case _:
            return None


def texts(body: ChatCompletion) -> Sequence[str]:
    """Return the texts of an answer, none where it is a refusal or a tool call in any of its choices."""
    found: list[str] = []
    for choice in body.choices:
        message = choice.message
        if message.content is None or message.refusal or message.tool_calls or message.function_call:
            return ()
        found.append(message.content)
    return found


def is_complete(body: ChatCompletion) -> bool:
    """Return whether there is one answer, and it ended by itself."""
    return [choice.finish_reason for choice in body.choices] == ["stop"]


def asked_again(request: ChatRequest, body: ChatCompletion, reason: str) -> ChatRequest:
    """Return the request with the wrong answer behind it, and what is wrong with it."""
    said = AssistantMessage(content=body.choices[0].message.content)
    return replace(request, messages=[*request.messages, said, UserMessage(content=_AGAIN.format(reason=reason))])


def wants_verdict(request: ChatRequest) -> bool:
    """Return whether the chunk with the usage is to say whether the answer follows the schema."""
    return request.stream_options is not None and request.stream_options.include_schema_valid is True


def tell(chunk: ChatCompletionChunk, valid: bool) -> None:  # noqa: FBT001 - the verdict itself
    """Say in the chunk with the usage whether the answer follows the schema."""
    if chunk.usage:
        chunk.usage.aqueduct_schema_valid = valid


class StreamedTexts:
    """Collects the texts of a stream by choice, up to `MAX_TEXT_CHARS` in all; a refusal or tool call ends it."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}
        self._chars = 0
        self._is_other = False

    def feed(self, chunk: ChatCompletionChunk) -> None:
        """Take a chunk."""
        if self._is_other:
            return
        for choice in chunk.choices:
            delta = choice.delta
            if delta.refusal or delta.tool_calls or delta.function_call:
                self._is_other = True
            elif delta.content:
                self._chars += len(delta.content)
                self._pieces.setdefault(choice.index, []).append(delta.content)
        if self._chars > MAX_TEXT_CHARS:
            self._is_other = True
        if self._is_other:
            self._pieces.clear()

    def texts(self) -> Sequence[str]:
        """Return the texts in the order of their choices."""
        return ["".join(self._pieces[index]) for index in sorted(self._pieces)]
