"""A whole chat answer to a chat completion; knows no transport and no clock."""

from typing import Final

import msgspec
from msgspec import UNSET

from adapters.base import Result
from adapters.cohere.citations import to_annotations
from adapters.cohere.errors import error_message, to_error_inside
from adapters.cohere.finish import refuse_failures, to_finish_reason
from adapters.cohere.logprobs import to_logprobs
from adapters.cohere.usage import to_usage
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.message import Inherited, MessageBuilder
from adapters.tool_names import ToolNames
from schemas.chat_response import Annotation, ChatCompletion, Choice
from schemas.cohere import ChatResponse, ReceivedMessage
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(ChatResponse)


class Expected(Inherited, frozen=True, kw_only=True):
    """`names` are those of the request's tools. `billed`: usage counts what is billed (see `usage.py`)."""

    names: ToolNames
    billed: bool = False


def to_chat_completion(body: bytes, expected: Expected, dropped: tuple[str, ...] = ()) -> Result[ChatCompletion]:
    """Return the answer; raises `ProviderError` for an error inside it and for anything but Cohere's JSON."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response.usage, billed=expected.billed)
        annotations = _annotations(response.message)
    except UNREADABLE:
        if (message := error_message(body)) is not None:
            raise to_error_inside(message) from None
        raise bad_response() from None
    native = response.finish_reason
    refuse_failures(native)
    builder = _read(response.message, annotations, expected)
    choice = Choice(
        index=0,
        message=builder.message(),
        finish_reason=to_finish_reason(native, called_tools=bool(builder.calls)),
        logprobs=to_logprobs(response.logprobs or ()),
    )
    completion = ChatCompletion(
        id=expected.answer_id,
        choices=[choice],
        created=expected.created,
        model=expected.model,
        usage=usage.to_completion_usage() if usage is not None else UNSET,
    )
    return Result(
        body=completion,
        usage=usage or Usage(),
        upstream_id=response.id,
        native_finish_reason=native,
        dropped_params=dropped,
    )


def _read(received: ReceivedMessage, annotations: list[Annotation], expected: Expected) -> MessageBuilder:
    builder = MessageBuilder(expected.names)
    builder.reasoning(received.tool_plan or "")
    for block in received.content or ():
        builder.reasoning(block.thinking or "")
        builder.text(block.text or "")
    builder.annotations += annotations
    for call in received.tool_calls or ():
        function = call.function
        if function is None or not function.name:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's tool call has no name.")
        builder.call(function.name, function.arguments or "", call.id, expected.request_id)
    return builder


def _annotations(received: ReceivedMessage) -> list[Annotation]:
    offsets: dict[int, int] = {}
    end = 0
    for index, block in enumerate(received.content or ()):
        if block.text is not None:
            offsets[index] = end
            end += len(block.text)
    return [annotation for citation in received.citations or () for annotation in to_annotations(citation, offsets)]
