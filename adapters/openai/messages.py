"""The conversation as a server takes it: roles, names, tool ids, media in tool results, reasoning; knows no parameter.

Messages that need no change are passed on as they are, so that a long plain conversation costs next to nothing.
"""

from collections.abc import Sequence

from msgspec import UnsetType
from msgspec.structs import replace

from adapters import tool_ids
from adapters.audio import inline
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.media import FROM_ANSWER
from adapters.openai.addresses import refuse_local
from adapters.openai.history import reasoning_changes
from adapters.openai.quirks import Quirks
from adapters.tool_history import ToolHistory, checked_arguments
from schemas.chat_request import (
    AnsweredAnnotation,
    AssistantMessage,
    AudioPart,
    AudioURLPart,
    ContentPart,
    DeveloperMessage,
    FunctionMessage,
    FunctionToolCall,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    VideoPart,
)

_CHANGES = dict[str, object]
MOVED = "The content of this result follows in the next user message."


def to_messages(messages: Sequence[Message], quirks: Quirks, losses: Losses) -> list[Message]:
    """Return the messages in the server's form; raises `ProviderError` for what cannot be sent without changing it."""
    if all(map(_is_plain, messages)):
        return list(messages)
    history = ToolHistory()
    translation = _Translation(quirks, losses, last_user(messages), history)
    result: list[Message] = []
    moved: list[ContentPart] = []
    for index, message in enumerate(messages):
        if moved and not isinstance(message, ToolMessage):
            result.append(UserMessage(content=moved))
            moved = []
        if history.is_open and isinstance(message, UserMessage | AssistantMessage):
            history.expect_none()
        if _is_plain(message):
            result.append(message)
        elif isinstance(message, ToolMessage):
            result.append(translation.tool(message, index, moved))
        elif isinstance(message, AssistantMessage):
            result.append(translation.assistant(message, index, moved))
        else:
            result.append(translation.plain(message, index))
    if moved:
        result.append(UserMessage(content=moved))
    return result


def _is_plain(message: Message) -> bool:
    """Return whether the message is a text in a role that every server knows, and nothing else."""
    content = message.content
    if isinstance(message, UserMessage):
        return isinstance(content, str) and message == UserMessage(content=content)
    if isinstance(message, AssistantMessage):
        return isinstance(content, str) and message == AssistantMessage(content=content)
    if isinstance(message, SystemMessage):
        return isinstance(content, str) and message == SystemMessage(content=content)
    return False


def _files_read(message: AssistantMessage) -> list[AnsweredAnnotation]:
    """Return what the provider has read of files for an earlier answer."""
    return [note for note in message.annotations or () if not isinstance(note.file, UnsetType)]


def last_user(messages: Sequence[Message]) -> int:
    """Return the index of the last user message, -1 where there is none: a tool loop is under way behind it."""
    index = len(messages) - 1
    while index >= 0 and type(messages[index]) is not UserMessage:
        index -= 1
    return index


class _Translation:
    """One conversation's translation. `last_user` is the index of the last user message, -1 where there is none."""

    def __init__(self, quirks: Quirks, losses: Losses, last_user: int, history: ToolHistory) -> None:
        self._quirks = quirks
        self._history = history
        self._losses = losses
        self._last_user = last_user

    def plain(self, message: SystemMessage | DeveloperMessage | UserMessage | FunctionMessage, index: int) -> Message:
        """Translate instructions and what the user said."""
        if isinstance(message, FunctionMessage):
            return message
        changes = self._common(message, index)
        if isinstance(message, DeveloperMessage) and not self._quirks.developer_role:
            return replace(SystemMessage(content=message.content, name=message.name), **changes)
        return replace(message, **changes) if changes else message

    def assistant(self, message: AssistantMessage, index: int, moved: list[ContentPart]) -> Message:
        """Translate an earlier answer; media, which servers take only from users, are added to `moved`."""
        quirks = self._quirks
        changes = self._common(message, index)
        if message.images is not None or not (message.content is None or isinstance(message.content, str)):
            changes |= self._shown(message, index, moved)
        changes |= reasoning_changes(message, quirks, in_tool_loop=index > self._last_user)
        if message.tool_calls:
            calls = [
                self._tool_call(call, f"messages[{index}].tool_calls[{i}]") for i, call in enumerate(message.tool_calls)
            ]
            if any(new is not old for new, old in zip(calls, message.tool_calls, strict=True)):
                changes["tool_calls"] = calls
        if message.extra_content is not None and not quirks.extra_content:
            changes["extra_content"] = None
        if message.annotations != []:
            changes["annotations"] = _files_read(message) if quirks.file_annotations else []
        if message.refusal is not None and not quirks.refusals:
            changes["refusal"] = None
            if message.content is None:
                changes["content"] = message.refusal
        says_nothing = changes.get("content", message.content) is None and not message.refusal and message.audio is None
        calls_nothing = not message.tool_calls and message.function_call is None
        if says_nothing and (calls_nothing or quirks.empty_content):
            changes["content"] = ""
        return replace(message, **changes) if changes else message

    def _shown(self, message: AssistantMessage, index: int, moved: list[ContentPart]) -> _CHANGES:
        content = message.content or []
        parts = [TextPart(text=content)] if isinstance(content, str) else self._parts(content, index)
        images = self._parts(message.images or (), index, "images")
        if self._quirks.answer_media and images:
            return {"images": None, "content": [*parts, *images]}
        left = [part for part in parts if isinstance(part, TextPart | RefusalPart)]
        media = [*(part for part in parts if not isinstance(part, TextPart | RefusalPart)), *images]
        if not media or self._quirks.answer_media:
            return {"images": None}
        moved += [TextPart(text=FROM_ANSWER), *media]
        return {"images": None, "content": message.content if isinstance(content, str) else left or None}

    def tool(self, message: ToolMessage, index: int, moved: list[ContentPart]) -> Message:
        """Translate a tool's result; media that the server takes only from users are added to `moved`."""
        self._history.result(message.tool_call_id, f"messages[{index}].tool_call_id")
        changes = self._common(message, index)
        if message.is_error is not None:
            changes["is_error"] = None
            if message.is_error:
                self._losses.drop(f"messages[{index}].is_error")
        call_id = self._call_id(message.tool_call_id)
        if call_id != message.tool_call_id:
            changes["tool_call_id"] = call_id
        content = message.content
        if not isinstance(content, str) and not self._quirks.tool_media:
            parts = self._parts(content, index)
            media = [part for part in parts if not isinstance(part, TextPart)]
            if media:
                changes["content"] = [part for part in parts if isinstance(part, TextPart)] or MOVED
                moved += [TextPart(text=f"Content of the result of the tool call {call_id}:"), *media]
        return replace(message, **changes) if changes else message

    def _common(
        self, message: SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage, index: int
    ) -> _CHANGES:
        changes: _CHANGES = {}
        quirks = self._quirks
        if message.cache_control is not None and not quirks.cache_control:
            self._losses.drop("cache_control")
            changes["cache_control"] = None
        if message.name is not None and not quirks.message_names and not isinstance(message, ToolMessage):
            self._losses.drop(f"messages[{index}].name")
            changes["name"] = None
        content = message.content
        if content is not None and not isinstance(content, str):
            parts = self._parts(content, index)
            if any(new is not old for new, old in zip(parts, content, strict=True)):
                changes["content"] = parts
        return changes

    def _parts(self, content: Sequence[ContentPart], index: int, name: str = "content") -> list[ContentPart]:
        return [self._part(part, f"messages[{index}].{name}[{i}]") for i, part in enumerate(content)]

    def _part(self, part: ContentPart, path: str) -> ContentPart:
        quirks = self._quirks
        if isinstance(part, VideoPart) and not quirks.video:
            message = "This model takes no video."
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)
        if isinstance(part, RefusalPart) and not quirks.refusals:
            return TextPart(text=part.refusal)
        refuse_local(part, path)
        changes: _CHANGES = {}
        if isinstance(part, AudioURLPart) and not quirks.audio_url:
            part = AudioPart(
                input_audio=inline(part, path),
                cache_control=part.cache_control,
                prompt_cache_breakpoint=part.prompt_cache_breakpoint,
            )
        if part.cache_control is not None and not quirks.cache_control:
            self._losses.drop("cache_control")
            changes["cache_control"] = None
        if part.prompt_cache_breakpoint is not None and not quirks.cache_breakpoints:
            self._losses.drop("prompt_cache_breakpoint")
            changes["prompt_cache_breakpoint"] = None
        return replace(part, **changes) if changes else part

    def _tool_call(self, call: ToolCall, path: str) -> ToolCall:
        self._history.call(call.id, path)
        changes: _CHANGES = {}
        call_id = self._call_id(call.id)
        if call_id != call.id:
            changes["id"] = call_id
        if not isinstance(call, FunctionToolCall):
            return replace(call, **changes) if changes else call
        if call.extra_content is not None and not self._quirks.extra_content:
            changes["extra_content"] = None
        if not self._quirks.any_arguments:
            arguments = checked_arguments(call.function.arguments, f"{path}.function.arguments")
            if arguments is not call.function.arguments:
                changes["function"] = replace(call.function, arguments=arguments)
        return replace(call, **changes) if changes else call

    def _call_id(self, call_id: str) -> str:
        """Return a legal id: the same for a call and its result, whatever the client's form was."""
        call_id = tool_ids.split_signature(call_id)[0]
        if self._quirks.nine_char_tool_ids:
            is_legal = len(call_id) == 9 and call_id.isascii() and call_id.isalnum()
            return call_id if is_legal else tool_ids.alphanumerics(9, call_id)
        return call_id if tool_ids.is_legal(call_id) else tool_ids.minted(call_id)
