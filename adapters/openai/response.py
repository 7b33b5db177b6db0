"""A whole answer of an OpenAI-format server to the hub's; knows no HTTP.

Source: https://platform.openai.com/docs/api-reference/chat/object.
"""

from operator import attrgetter
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from adapters import tool_ids
from adapters.base import Result
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.openai import parts
from adapters.openai.errors import to_error_inside
from adapters.openai.finish import to_finish_reason
from adapters.openai.usage import to_usage
from schemas.chat_response import (
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    Choice,
    MessageAudio,
    MessageToolCall,
)
from schemas.openai import Optional, WireChoice, WireCompletion, WireMessage, WireToolCall
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireCompletion)
_AUDIO: Final = msgspec.json.Decoder(MessageAudio)
_METADATA: Final[msgspec.json.Decoder[dict[str, str] | None]] = msgspec.json.Decoder(dict[str, str] | None)
_RARE: Final = attrgetter("metadata", "moderation", "citations", "search_results", "prompt_filter_results")
_NOTHING_RARE: Final = (UNSET,) * 5
MAX_CREATED: Final = 1 << 40
_NO_MESSAGE: Final = WireMessage()


def decode_completion(body: bytes) -> WireCompletion:
    """Read an answer; raises `ProviderError` for an error inside a 200 and for what is no answer."""
    try:
        wire = _DECODER.decode(body)
    except UNREADABLE:
        raise bad_response() from None
    if parts.is_given(wire.error) or wire.object == "error":
        raise to_error_inside(body)
    if not wire.choices:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer holds no choice.")
    return wire


def to_chat_completion(
    body: bytes, *, model: str, answer_id: str, created: int, keep_stop: bool = False
) -> Result[ChatCompletion]:
    """Return the answer; `answer_id` and `created` stand in where the server gives none.

    Raises:
        ProviderError: the body is an error, or no answer.
    """
    wire = decode_completion(body)
    upstream_id = str(wire.id) if wire.id else None
    answer_id = upstream_id or answer_id
    choices = wire.choices or []
    usage = usage_of(wire)
    completion = ChatCompletion(
        id=answer_id,
        choices=[_to_choice(choice, position, answer_id, keep_stop) for position, choice in enumerate(choices)],
        created=created_of(wire, created),
        model=model,
        service_tier=wire.service_tier,
        system_fingerprint=wire.system_fingerprint,
    )
    if _RARE(wire) != _NOTHING_RARE:
        _add_rare(completion, wire)
    if usage is not None:
        completion.usage = usage.to_completion_usage()
    return Result(
        body=completion,
        usage=usage or Usage(),
        upstream_id=upstream_id,
        upstream_model=wire.model or None,
        native_finish_reason=choices[0].native_finish_reason or choices[0].finish_reason or None,
    )


def _add_rare(completion: ChatCompletion, wire: WireCompletion) -> None:
    """Add what few answers have."""
    completion.moderation = parts.given(wire.moderation)
    completion.citations = parts.given(wire.citations)
    completion.search_results = parts.given(wire.search_results)
    completion.prompt_filter_results = parts.given(wire.prompt_filter_results)
    if not isinstance(wire.metadata, UnsetType):
        completion.metadata = _to_metadata(wire.metadata)


def created_of(wire: WireCompletion, fallback: int) -> int:
    """Return the server's time in Unix seconds where it gives a sensible one."""
    created = wire.created
    return int(created) if isinstance(created, (int, float)) and 0 < created < MAX_CREATED else fallback


def usage_of(wire: WireCompletion) -> Usage | None:
    """Return the counters, None where the server reports none."""
    if not isinstance(wire.usage, UnsetType) and (usage := to_usage(wire.usage, wire.service_tier)) is not None:
        return usage
    if wire.x_groq is not None and not isinstance(wire.x_groq.usage, UnsetType):
        return to_usage(wire.x_groq.usage, wire.service_tier)
    return None


def _to_choice(choice: WireChoice, position: int, answer_id: str, keep_stop: bool) -> Choice:  # noqa: FBT001 - private
    index = position if choice.index is None else choice.index
    message = _to_message(choice.message or choice.delta or _NO_MESSAGE, f"{answer_id}/{index}")
    called = not isinstance(message.tool_calls, UnsetType)
    reason = to_finish_reason(choice.finish_reason, called_tools=called, keep_stop=keep_stop)
    result = Choice(index=index, message=message, finish_reason=reason)
    if choice.logprobs not in parts.ABSENT:
        result.logprobs = parts.to_logprobs(choice.logprobs)
    if choice.content_filter_results is not UNSET or choice.stop_reason is not UNSET:
        result.content_filter_results = parts.given(choice.content_filter_results)
        result.stop_reason = parts.given(choice.stop_reason)
    return result


def _to_message(wire: WireMessage, seed: str) -> AssistantResponse:
    if parts.has_text_only(wire):  # as nearly all are
        return AssistantResponse(content=parts.text_of(wire))
    message = AssistantResponse(content=parts.text_of(wire), refusal=wire.refusal or None)
    if reasoning := parts.reasoning_of(wire):
        message.reasoning_content = message.reasoning = reasoning
    if wire.tool_calls:
        message.tool_calls = _to_tool_calls(wire.tool_calls, seed)
    called = wire.function_call
    if called is not None and called.name:
        message.function_call = CalledFunction(name=called.name, arguments=parts.arguments_of(called))
    message.reasoning_details = parts.to_reasoning_details(wire.reasoning_details)
    message.annotations = parts.to_annotations(wire.annotations) or []
    message.extra_content = parts.to_extra_content(wire.extra_content)
    message.audio = _to_audio(wire.audio)
    message.images = parts.to_images(wire)
    return message


def _to_tool_calls(calls: list[WireToolCall], seed: str) -> list[MessageToolCall]:
    ids: set[str] = set()
    result: list[MessageToolCall] = []
    for index, call in enumerate(calls):
        call_id = call.id or ""
        if not tool_ids.is_legal(call_id) or call_id in ids:
            call_id = tool_ids.minted(seed, index, call_id)
        ids.add(call_id)
        item = MessageToolCall(id=call_id, extra_content=parts.to_extra_content(call.extra_content))
        if call.function is not None or call.custom is None:
            name = (call.function.name if call.function else None) or ""
            item.function = CalledFunction(
                name=name, arguments=parts.arguments_of(call.function) if call.function else ""
            )
        if call.custom is not None and (call.type == "custom" or call.function is None):
            item.type, item.function = "custom", UNSET
            item.custom = CalledCustomTool(name=call.custom.name or "", input=call.custom.input or "")
        result.append(item)
    return result


def _to_audio(raw: Optional) -> MessageAudio | UnsetType:
    if isinstance(raw, UnsetType) or not parts.is_given(raw):
        return UNSET
    try:
        audio = _AUDIO.decode(raw)
    except UNREADABLE:
        return UNSET
    return audio if audio.data else UNSET


def _to_metadata(raw: Optional) -> dict[str, str] | UnsetType | None:
    if isinstance(raw, UnsetType):
        return UNSET
    try:
        return _METADATA.decode(raw)
    except UNREADABLE:
        return UNSET
