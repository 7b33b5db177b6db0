"""The opaque state of assistant messages: what an answer carries, what a history lacks; knows no store, no provider.

State is what a client may drop although the provider wants it back with the message's tool calls: signed or encrypted
reasoning and `extra_content`. It is found again by the id of the message's first tool call. To whom it may be sent is
the adapters' matter: each piece names its owner, and an adapter takes nothing but its own.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from schemas.chat_request import (
    AssistantMessage,
    ChatRequest,
    ExtraContent,
    FunctionToolCall,
    Message,
    ReasoningDetail,
    ToolCall,
)
from schemas.chat_response import AssistantResponse, ChatCompletion, ChatCompletionChunk, ChunkChoice

MAX_STATE_BYTES: Final = 512 * 1024
"""A message's state beyond this is not kept: the provider then answers as to any client that drops it."""


class MessageState(Struct, omit_defaults=True, kw_only=True):
    """One message's state; `calls` is by tool-call id, `text` readable reasoning where there are no details."""

    text: str = ""
    details: list[ReasoningDetail] = field(default_factory=list[ReasoningDetail])
    extra: ExtraContent | None = None
    calls: dict[str, ExtraContent] = field(default_factory=dict[str, ExtraContent])


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(MessageState)


def lacking(request: ChatRequest) -> list[str]:
    """Return the key of each earlier answer that called tools and came back without any state."""
    return [
        message.tool_calls[0].id
        for message in request.messages
        if type(message) is AssistantMessage and message.tool_calls and _is_bare(message, message.tool_calls)
    ]


def restored(request: ChatRequest, states: Mapping[str, bytes]) -> ChatRequest:
    """Return the request with the given states in the messages that lack theirs; unreadable ones are left out."""
    return replace(request, messages=[_restored(message, states) for message in request.messages])


def may_call_tools(request: ChatRequest) -> bool:
    """Return whether the answer can hold tool calls, and so anything to keep."""
    return bool(request.tools)


def of_completion(completion: ChatCompletion) -> dict[str, bytes]:
    """Return the state of each answer that calls tools, by key; empty where it has none, or too much to keep."""
    found: dict[str, bytes] = {}
    for choice in completion.choices:
        message = choice.message
        if message.tool_calls:
            state = _of_message(message)
            _add(found, message.tool_calls[0].id, state)
    return found


class StreamedState:
    """Collects the state of a streamed answer."""

    def __init__(self) -> None:
        self._choices: dict[int, _StreamedChoice] = {}

    def feed(self, chunk: ChatCompletionChunk) -> None:
        """Take a chunk as the client gets it."""
        for choice in chunk.choices:
            delta = choice.delta
            if delta.tool_calls or delta.reasoning_content or delta.reasoning_details or delta.extra_content:
                self._choices.setdefault(choice.index, _StreamedChoice()).feed(choice)

    def result(self) -> dict[str, bytes]:
        """Return what `of_completion` would of the same answer as a whole."""
        found: dict[str, bytes] = {}
        for choice in self._choices.values():
            if choice.ids:
                _add(found, choice.ids[min(choice.ids)], choice.result())
        return found


class _StreamedChoice:
    """One choice: its state, the ids of its calls by index, and about how many bytes it holds."""

    def __init__(self) -> None:
        self._state = MessageState()
        self.ids: dict[int, str] = {}
        self.size = 0
        self._texts: list[str] = []

    def result(self) -> MessageState:
        """Return the state of what has been fed."""
        state = self._state
        return replace(state, text="" if state.details else "".join(self._texts))

    def feed(self, choice: ChunkChoice) -> None:
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


def _is_bare(message: AssistantMessage, calls: list[ToolCall]) -> bool:
    if message.reasoning_details or message.thinking_blocks or message.tensorzero_extra_content:
        return False
    if message.extra_content is not None:
        return False
    return all(call.extra_content is None for call in calls if isinstance(call, FunctionToolCall))


def _restored(message: Message, states: Mapping[str, bytes]) -> Message:
    if not isinstance(message, AssistantMessage) or not message.tool_calls:
        return message
    data = states.get(message.tool_calls[0].id)
    if data is None or not _is_bare(message, message.tool_calls):
        return message
    try:
        state = _DECODER.decode(data)
    except msgspec.DecodeError:  # written by a release that knows more
        return message
    return replace(
        message,
        reasoning_content=message.reasoning_content or (None if message.reasoning else state.text) or None,
        reasoning_details=state.details or None,
        extra_content=state.extra,
        tool_calls=[_with_extra(call, state.calls.get(call.id)) for call in message.tool_calls],
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


def _add(found: dict[str, bytes], key: str, state: MessageState) -> None:
    has_any = state.text or state.details or state.extra or state.calls
    data = _ENCODER.encode(state) if has_any else b""
    found[key] = data if len(data) <= MAX_STATE_BYTES else b""
