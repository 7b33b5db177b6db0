"""The conversation as Mistral takes it: documents, audio, reasoning and a last answer to go on; knows no parameter.

Source: https://docs.mistral.ai/api/ (messages), https://docs.mistral.ai/capabilities/reasoning and
https://docs.mistral.ai/capabilities/document_ai, checked 2026-11-26. Roles, names and tool-call ids are made fit by
`adapters.openai.messages`; here follows what has another form.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from adapters.audio import inline
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.media import is_web
from adapters.openai.history import readable_reasoning
from adapters.openai.messages import last_user, to_messages
from adapters.openai.quirks import Quirks
from schemas import mistral as wire
from schemas.chat_request import (
    AssistantMessage,
    AudioPart,
    AudioURLPart,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    RequestStruct,
    ToolCall,
    ToolMessage,
    UserMessage,
)


class _Message(RequestStruct, frozen=True, kw_only=True):
    """A message whose content has chunks of Mistral's own."""

    role: str
    content: str | list[Struct] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    prefix: bool | None = None


def to_mistral_messages(messages: Sequence[Message], quirks: Quirks, losses: Losses) -> list[Struct]:
    """Return the messages; raises `ProviderError` for what cannot be carried, with its JSON path."""
    loop_begins = last_user(messages)
    result: list[Struct] = []
    for index, (given, message) in enumerate(zip(messages, to_messages(messages, quirks, losses), strict=True)):
        path = f"messages[{index}]"
        if isinstance(message, AssistantMessage) and isinstance(given, AssistantMessage):
            if not message.content and not message.tool_calls and message.audio is None:
                continue  # Mistral refuses an answer that says nothing
            in_loop = index > loop_begins and bool(message.tool_calls)
            reasoning = readable_reasoning(given) if in_loop and not _is_foreign(given) else ""
            result.append(_assistant(message, reasoning, path, losses, is_last=index == len(messages) - 1))
        elif isinstance(message, UserMessage | ToolMessage) and not isinstance(message.content, str):
            result.append(_with_chunks(message, message.content, path, losses))
        else:
            result.append(message)
    return result


def _is_foreign(message: AssistantMessage) -> bool:
    """Return whether the reasoning is said to be another provider's."""
    return bool(message.thinking_blocks) or any(detail.format for detail in message.reasoning_details or ())


def _assistant(message: AssistantMessage, reasoning: str, path: str, losses: Losses, *, is_last: bool) -> Struct:
    """Reasoning goes back within a tool loop; a last answer is one to go on with, which Mistral wants to be told."""
    if message.audio is not None:
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, "This model does not speak.", param=f"{path}.audio")
    if not reasoning and not is_last and not isinstance(message.content, list):
        return message
    content = message.content
    chunks: str | list[Struct] | None = content if isinstance(content, str | None) else _chunks(content, path, losses)
    if reasoning:
        said: list[Struct] = [wire.TextChunk(text=chunks)] if isinstance(chunks, str) and chunks else []
        said = chunks if isinstance(chunks, list) else said
        chunks = [wire.ThinkChunk(thinking=[wire.TextChunk(text=reasoning)]), *said]
    return _Message(role="assistant", content=chunks, tool_calls=message.tool_calls, prefix=True if is_last else None)


def _with_chunks(message: UserMessage | ToolMessage, content: list[ContentPart], path: str, losses: Losses) -> Struct:
    chunks = _chunks(content, path, losses)
    if all(new is old for new, old in zip(chunks, content, strict=True)):
        return message
    if isinstance(message, ToolMessage):
        return _Message(role="tool", content=chunks, tool_call_id=message.tool_call_id, name=message.name)
    return _Message(role="user", content=chunks)


def _chunks(content: Sequence[ContentPart], path: str, losses: Losses) -> list[Struct]:
    return [_chunk(part, f"{path}.content[{index}]", losses) for index, part in enumerate(content)]


def _chunk(part: ContentPart, path: str, losses: Losses) -> Struct:
    if isinstance(part, ImagePart) and part.image_url.detail == "original":
        losses.drop(f"{path}.image_url.detail")
        return replace(part, image_url=replace(part.image_url, detail=None))
    if isinstance(part, AudioURLPart):
        url = part.audio_url.url
        return wire.AudioChunk(input_audio=url if is_web(url) else inline(part, path).data)
    if isinstance(part, AudioPart):
        return wire.AudioChunk(input_audio=part.input_audio.data)
    if not isinstance(part, FilePart):
        return part
    if part.file.file_id is not None:
        return wire.FileChunk(file_id=part.file.file_id)
    if part.file.file_data is None:
        message = "A file needs 'file_data' or 'file_id'."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=f"{path}.file")
    return wire.DocumentURLChunk(document_url=part.file.file_data, document_name=part.file.filename)
