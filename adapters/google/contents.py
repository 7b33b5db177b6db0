"""The conversation to Gemini's contents and system instruction; knows no parameter beside the messages.

Roles are `user` and `model`; consecutive turns of one role become one. The results of one round of calls follow them
directly, in the order of the calls, and every call has one. A user's turn without text still stands after an answer,
in words.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from adapters import free_text
from adapters.base import BLANK_MESSAGE, Losses
from adapters.counts import note_missing_signature
from adapters.errors import ErrorKind, ProviderError
from adapters.google.models import ModelFacts
from adapters.google.parts import PartWriter
from adapters.google.signatures import SENTINEL, Signatures
from adapters.google.tool_results import to_response_parts
from adapters.tool_ids import split_signature
from adapters.tool_names import ToolNames
from schemas.chat_request import (
    AssistantMessage,
    CustomToolCall,
    DeveloperMessage,
    FunctionMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from schemas.google.request import Content, FunctionCall, Part

Turn = tuple[Literal["user", "model"], list[Part]]


class _Pending(Struct):
    """A call that waits for its result."""

    call_id: str | None
    name: str
    path: str
    answer: list[Part] | None = None


class ContentsWriter:
    """Writes one conversation: `write` each message in order, then `result`."""

    def __init__(self, facts: ModelFacts, names: ToolNames, losses: Losses) -> None:
        self._facts = facts
        self._names = names
        self._losses = losses
        self._parts = PartWriter(facts, losses)
        self._system: list[Part] = []
        self._turns: list[Turn] = []
        self._pending: list[_Pending] = []
        self._lacks_signature = False

    def write(self, messages: Sequence[Message]) -> None:
        """Take the messages; raises `ProviderError` with the JSON path of what cannot be sent."""
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            self._note_losses(message, path)
            match message:
                case SystemMessage(content=content) | DeveloperMessage(content=content):
                    texts = [content] if isinstance(content, str) else [part.text for part in content]
                    self._system += [Part(text=text) for text in texts if text]
                case UserMessage(content=content):
                    self._settle()
                    self._add("user", self._parts.parts(content, f"{path}.content"))
                case AssistantMessage():
                    self._settle()
                    self._add("model", self._assistant(message, path))
                case ToolMessage():
                    self._tool(message, path)
                case FunctionMessage():
                    raise AssertionError("functions are tools by now")
        self._settle()

    def result(self) -> tuple[list[Content], Content | None]:
        """Return the contents and the system instruction."""
        turns, system = self._turns, self._system
        if system and not self._facts.system_instruction:
            turns = _with_system_first(turns, system)
            system = []
        if not turns:  # a system message alone is a question too
            alone: Turn = ("user", system or [Part(text="")])
            turns, system = [alone], []
        contents = [Content(role=role, parts=parts or [Part(text=BLANK_MESSAGE)]) for role, parts in turns]
        return contents, Content(parts=system) if system else None

    def _note_losses(self, message: Message, path: str) -> None:
        if not isinstance(message, ToolMessage | FunctionMessage) and message.name is not None:
            self._losses.drop(f"{path}.name")
        if not isinstance(message, FunctionMessage) and message.cache_control is not None:
            self._losses.drop("cache_control")
        if isinstance(message, AssistantMessage) and message.audio is not None:
            self._losses.drop(f"{path}.audio")

    def _add(self, role: Literal["user", "model"], parts: list[Part]) -> None:
        if not parts and (role == "model" or not self._turns):
            return
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, parts))

    def _assistant(self, message: AssistantMessage, path: str) -> list[Part]:
        parts = self._parts.parts(message.content, f"{path}.content")
        if message.images:
            parts += self._parts.parts([*message.images], f"{path}.images")
        if message.refusal:
            parts.append(Part(text=message.refusal))
        signatures = Signatures(message)
        loose = signatures.loose
        if loose is not None and parts:
            parts[-1] = msgspec.structs.replace(parts[-1], thought_signature=loose)
            loose = None
        for index, call in enumerate(message.tool_calls or ()):
            signature = signatures.of_call(call)
            if index == 0 and signature is None:
                signature = loose or self._sentinel()
            parts.append(self._call(call, f"{path}.tool_calls[{index}]", signature))
        return parts

    def _sentinel(self) -> str | None:
        if not self._facts.signatures:
            return None
        if not self._lacks_signature:
            self._lacks_signature = True
            note_missing_signature("google")
        return SENTINEL

    def _call(self, call: ToolCall, path: str, signature: str | None) -> Part:
        call_id = split_signature(call.id)[0] or None
        if isinstance(call, CustomToolCall):
            name, args = call.custom.name, Raw(free_text.to_arguments(call.custom.input))
        else:
            name, args = call.function.name, to_args(call.function.arguments, f"{path}.function.arguments")
        native = self._names.native(name)
        self._pending.append(_Pending(call_id, native, path))
        return Part(function_call=FunctionCall(name=native, args=args, id=call_id), thought_signature=signature)

    def _tool(self, message: ToolMessage, path: str) -> None:
        call_id = split_signature(message.tool_call_id)[0] or None
        call = self._waiting(call_id, f"{path}.tool_call_id")
        parts = self._parts.parts(message.content, f"{path}.content")
        is_error = message.is_error is True
        call.answer = to_response_parts(parts, call.name, call.call_id, self._facts, is_error=is_error)

    def _waiting(self, call_id: str | None, path: str) -> _Pending:
        for one in self._pending:
            if one.answer is None and one.call_id == call_id:
                return one
        raise _broken_history("This tool result answers no tool call of the assistant message before it.", path)

    def _settle(self) -> None:
        """End a round of calls: all results in one turn."""
        for one in self._pending:
            if one.answer is None:
                raise _broken_history("This tool call has no result before the next message.", one.path)
        if self._pending:
            self._add("user", [part for one in self._pending for part in one.answer or ()])
        self._pending = []


def to_args(arguments: str, path: str) -> Raw:
    """Return a call's arguments as a JSON object; raises `ProviderError` where they are none."""
    data = arguments.encode("utf-8", "replace").strip()
    if not data:
        return Raw(b"{}")
    try:
        value: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST, "The arguments of a tool call must be a JSON object.", param=path
        )
    return Raw(data)


def _with_system_first(turns: list[Turn], system: list[Part]) -> list[Turn]:
    if turns and turns[0][0] == "user":
        return [("user", [*system, *turns[0][1]]), *turns[1:]]
    return [("user", system), *turns]


def _broken_history(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_TOOL_HISTORY, message, param=path)
