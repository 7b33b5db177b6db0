"""The opaque state of assistant messages: what an answer carries, what a history lacks; knows no store, no provider.

State is what a client may drop although the provider wants it back with the message: signed or encrypted reasoning and
`extra_content`. Under what it is found again is `keys.py`'s matter, to whom it may be sent the adapters': each piece
names its owner, and an adapter takes nothing but its own.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from adapters.base import ReasoningBack
from aqueduct.vault.keys import Conversation, conversation
from schemas.chat_request import (
    AssistantMessage,
    ChatRequest,
    ExtraContent,
    FunctionToolCall,
    ReasoningDetail,
    ToolCall,
)
from schemas.chat_response import AssistantResponse, ChatCompletion, ChatCompletionChunk, ChunkChoice

MAX_STATE_BYTES: Final = 512 * 1024
"""A message's state beyond this is not kept: the provider then answers as to any client that drops it."""
MAX_TEXT_CHARS: Final = 1024 * 1024
"""Nothing is kept of a streamed text beyond this."""


class MessageState(Struct, omit_defaults=True, kw_only=True):
    """One message's state; `calls` is by tool-call id, `text` readable reasoning where there are no details."""

    text: str = ""
    details: list[ReasoningDetail] = field(default_factory=list[ReasoningDetail])
    extra: ExtraContent | None = None
    calls: dict[str, ExtraContent] = field(default_factory=dict[str, ExtraContent])


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(MessageState)


def restored(request: ChatRequest, keys: Mapping[int, str], states: Mapping[str, bytes]) -> ChatRequest:
    """Return the request with the states in the messages whose places `lacking` named; unreadable ones are left out."""
    messages = list(request.messages)
    for index, key in keys.items():
        message, data = messages[index], states.get(key)
        if data is not None and isinstance(message, AssistantMessage):
            messages[index] = _restored(message, data)
    return replace(request, messages=messages)


def may_call_tools(request: ChatRequest) -> bool:
    """Return whether the answer can hold tool calls."""
    return bool(request.tools)


def of_completion(request: ChatRequest, completion: ChatCompletion, scope: ReasoningBack) -> dict[str, bytes]:
    """Return the state of each answer by key, empty where it has none, or too much to keep.

    Of answers that call no tools only with the scope `always`, and only what is signed.
    """
    found: dict[str, bytes] = {}
    so_far: Conversation | None = None
    for choice in completion.choices:
        message = choice.message
        if message.tool_calls:
            _add(found, message.tool_calls[0].id, _of_message(message))
        elif scope == "always" and message.content:
            so_far = so_far or conversation(request)
            _add(found, so_far.key(message.content), _signed(_of_message(message)))
    return found


class StreamedState:
    """Collects the state of a streamed answer to a request, which it does not keep; `scope` as with `of_completion`."""

    def __init__(self, request: ChatRequest, scope: ReasoningBack) -> None:
        self._so_far = conversation(request) if scope == "always" else None
        self._choices: dict[int, _StreamedChoice] = {}

    def feed(self, chunk: ChatCompletionChunk) -> None:
        """Take a chunk as the client gets it."""
        for choice in chunk.choices:
            delta = choice.delta
            if self._so_far is not None and (delta.content or choice.finish_reason is not None):
                self._choices.setdefault(choice.index, _StreamedChoice()).read(choice)
            if delta.tool_calls or delta.reasoning_content or delta.reasoning_details or delta.extra_content:
                self._choices.setdefault(choice.index, _StreamedChoice()).feed(choice)

    def result(self) -> dict[str, bytes]:
        """Return what `of_completion` would of the same answer as a whole."""
        found: dict[str, bytes] = {}
        for choice in self._choices.values():
            if choice.ids:
                _add(found, choice.ids[min(choice.ids)], choice.result())
            elif self._so_far is not None and choice.is_complete:
                _add(found, self._so_far.key("".join(choice.contents)), _signed(choice.result()))
        return found


class _StreamedChoice:
    """One choice: its state, the ids of its calls by index, and about how many bytes it holds."""

    def __init__(self) -> None:
        self._state = MessageState()
        self.ids: dict[int, str] = {}
        self.size = 0
        self.contents: list[str] = []
        self.is_complete = False
        """Whether it has ended, with all its text in `contents`."""
        self._texts: list[str] = []
        self._content_chars = 0

    def result(self) -> MessageState:
        """Return the state of what has been fed."""
        state = self._state
        return replace(state, text="" if state.details else "".join(self._texts))

    def read(self, choice: ChunkChoice) -> None:
        """Take the text of the answer itself."""
        content = choice.delta.content
        if content and self._content_chars <= MAX_TEXT_CHARS:
            self.contents.append(content)
            self._content_chars += len(content)
        if choice.finish_reason is not None:
            self.is_complete = self._content_chars <= MAX_TEXT_CHARS

    def feed(self, choice: ChunkChoice) -> None:
        """Take what belongs to the state."""
        delta, state = choice.delta, self._state
        if self.size > MAX_STATE_BYTES:
            return
        if delta.reasoning_content:
            self._texts.append(delta.reasoning_content)
            self.size += len(delta.reasoning_content)
        for detail in delta.reasoning_details or ():
            self.size += sum(len(text or "") for text in (detail.text, detail.summary, detail.signature, detail.data))
            _append(state.details, detail)
        if delta.extra_content:
            state.extra = delta.extra_content
        for call in delta.tool_calls or ():
            if call.id is not UNSET:
                self.ids[call.index] = call.id
            if call.extra_content is not UNSET and call.index in self.ids:
                state.calls[self.ids[call.index]] = call.extra_content


def _append(details: list[ReasoningDetail], detail: ReasoningDetail) -> None:
    """Add a detail; the pieces of one text become one."""
    last = details[-1] if details else None
    if (
        last is None
        or last.type != "reasoning.text"
        or last.signature
        or (detail.type, detail.index) != (last.type, last.index)
    ):
        details.append(detail)
        return
    details[-1] = replace(last, text=(last.text or "") + (detail.text or ""), signature=detail.signature)


def _restored(message: AssistantMessage, data: bytes) -> AssistantMessage:
    try:
        state = _DECODER.decode(data)
    except msgspec.DecodeError:  # written by a release that knows more
        return message
    calls = message.tool_calls
    return replace(
        message,
        reasoning_content=message.reasoning_content or (None if message.reasoning else state.text) or None,
        reasoning_details=state.details or None,
        extra_content=state.extra,
        tool_calls=None if calls is None else [_with_extra(call, state.calls.get(call.id)) for call in calls],
    )


def _with_extra(call: ToolCall, extra: ExtraContent | None) -> ToolCall:
    return replace(call, extra_content=extra) if extra is not None and isinstance(call, FunctionToolCall) else call


def _of_message(message: AssistantResponse) -> MessageState:
    return MessageState(
        text="" if message.reasoning_details else message.reasoning_content or "",
        details=list(message.reasoning_details or ()),
        extra=message.extra_content or None,
        calls={call.id: call.extra_content for call in message.tool_calls or () if call.extra_content is not UNSET},
    )


def _signed(state: MessageState) -> MessageState:
    """Return the state if it holds more than readable reasoning, which no provider wants back with a plain text."""
    if state.extra or any(detail.signature or detail.data for detail in state.details):
        return state
    return MessageState()


def _add(found: dict[str, bytes], key: str | None, state: MessageState) -> None:
    if key is None:
        return
    has_any = state.text or state.details or state.extra or state.calls
    data = _ENCODER.encode(state) if has_any else b""
    found[key] = data if len(data) <= MAX_STATE_BYTES else b""
