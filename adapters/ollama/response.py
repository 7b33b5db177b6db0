"""A whole answer of `/api/chat` to the hub's; knows no transport."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from adapters import free_text
from adapters.base import Result
from adapters.counts import note_unmapped
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.message import Inherited
from adapters.ollama.errors import to_error_inside
from adapters.ollama.usage import to_usage
from adapters.tool_ids import UniqueIds
from schemas.chat_response import (
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    Choice,
    ChoiceLogprobs,
    FinishReason,
    MessageToolCall,
    TokenLogprob,
    TopLogprob,
)
from schemas.ollama import ChatResponse, ReceivedCall, ReceivedLogprob, ReceivedMessage
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(ChatResponse)
_OBJECT: Final = msgspec.json.Decoder(dict[str, object])


class Expected(Inherited, frozen=True, kw_only=True):
    """`free_text_tools` are the names of tools that take text and no JSON."""

    free_text_tools: frozenset[str] = frozenset()


def to_chat_completion(body: bytes, expected: Expected, dropped: tuple[str, ...] = ()) -> Result[ChatCompletion]:
    """Return the answer; raises `ProviderError` for an error inside a 200 and for what is no answer."""
    response = decode(body)
    if response.message is None or not response.done:
        raise bad_response()
    usage = to_usage_or_fail(response)
    calls = _calls(response.message, expected)
    choice = Choice(
        index=0,
        message=_message(response.message, calls),
        finish_reason=to_finish_reason(response.done_reason, called_tools=bool(calls)),
        logprobs=to_logprobs(response.logprobs or ()),
    )
    return Result(
        body=ChatCompletion(
            id=expected.answer_id,
            choices=[choice],
            created=expected.created,
            model=expected.model,
            usage=usage.to_completion_usage() if usage is not None else UNSET,
        ),
        usage=usage or Usage(),
        upstream_model=response.model or None,
        native_finish_reason=response.done_reason or None,
        dropped_params=dropped,
    )


def decode(data: bytes) -> ChatResponse:
    """Read an answer or a line of a stream; raises `ProviderError` for an error and for what is neither."""
    try:
        response = _DECODER.decode(data)
    except UNREADABLE:
        raise bad_response() from None
    if response.error is not None:
        raise to_error_inside(response.error)
    return response


def to_usage_or_fail(response: ChatResponse) -> Usage | None:
    """Return the counters; raises `ProviderError` where they are none."""
    try:
        return to_usage(response)
    except msgspec.ValidationError:
        raise bad_response() from None


def to_finish_reason(native: str | None, *, called_tools: bool) -> FinishReason:
    """Return OpenAI's word; `load` and `unload` mean that there was nothing to answer."""
    if native == "length":
        return "length"
    if native not in {None, "", "stop", "load", "unload"}:
        note_unmapped("ollama", native)
    return "tool_calls" if called_tools else "stop"


def called(call: ReceivedCall) -> CalledFunction:
    """Return a call's name and its arguments as JSON text; raises `ProviderError` where it is none."""
    function = call.function
    if function is None or not function.name:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's tool call has no name.")
    arguments = b"null" if isinstance(function.arguments, UnsetType) else bytes(function.arguments)
    if arguments == b"null":
        return CalledFunction(name=function.name, arguments="{}")
    try:
        _OBJECT.decode(arguments)
        return CalledFunction(name=function.name, arguments=arguments.decode())
    except UNREADABLE:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The arguments of the provider's tool call are broken.") from None


def to_logprobs(found: Sequence[ReceivedLogprob]) -> ChoiceLogprobs | None:
    """Return log probabilities, None where there are none."""
    if not found:
        return None
    return ChoiceLogprobs(
        content=[
            TokenLogprob(
                token=one.token,
                logprob=one.logprob,
                bytes=_bytes(one),
                top_logprobs=[
                    TopLogprob(token=other.token, logprob=other.logprob, bytes=_bytes(other))
                    for other in one.top_logprobs or ()
                ],
            )
            for one in found
        ]
    )


def _bytes(token: ReceivedLogprob) -> list[int]:
    return token.bytes if token.bytes is not None else list(token.token.encode("utf-8", "replace"))


def _message(received: ReceivedMessage, calls: list[MessageToolCall]) -> AssistantResponse:
    text = received.content or ""
    message = AssistantResponse(content=None if calls and not text else text)
    if received.thinking:
        message.reasoning = message.reasoning_content = received.thinking
    message.tool_calls = calls or UNSET
    return message


def _calls(received: ReceivedMessage, expected: Expected) -> list[MessageToolCall]:
    ids = UniqueIds()
    return [_call(ids.take(call.id, expected.request_id), called(call), expected) for call in received.tool_calls or ()]


def _call(call_id: str, function: CalledFunction, expected: Expected) -> MessageToolCall:
    if function.name not in expected.free_text_tools:
        return MessageToolCall(id=call_id, function=function)
    custom = CalledCustomTool(name=function.name, input=free_text.text_of(function.arguments))
    return MessageToolCall(id=call_id, type="custom", custom=custom)
