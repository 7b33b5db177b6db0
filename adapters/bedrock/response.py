"""A whole Converse answer to a chat completion; knows no transport and no clock."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from adapters.anthropic.blocks import to_arguments
from adapters.base import Result
from adapters.bedrock.answer import (
    add_end,
    image_url,
    invoked_model,
    is_clients,
    to_annotations,
    to_detail,
    to_encrypted_detail,
    to_finish_reason,
    to_tier,
)
from adapters.bedrock.errors import to_error
from adapters.bedrock.request import Translation
from adapters.bedrock.usage import to_usage
from adapters.errors import UNREADABLE, bad_response
from adapters.exchange import Failure
from adapters.message import MessageBuilder
from schemas.bedrock.response import AnsweredBlock, AnsweredReasoning, ConverseAnswer
from schemas.chat_response import ChatCompletion, Choice

_DECODER: Final = msgspec.json.Decoder(ConverseAnswer)


class Head(Struct, frozen=True, kw_only=True):
    """What the client's answer is called; `created` is in Unix seconds."""

    answer_id: str
    model: str
    created: int


def to_result(data: bytes, headers: Mapping[str, str], translation: Translation, head: Head) -> Result[ChatCompletion]:
    """Return the answer; raises `ProviderError` for an error in its place and for anything that is no answer."""
    try:
        answer = _DECODER.decode(data)
    except UNREADABLE:
        raise bad_response() from None
    if answer.output is None or answer.output.message is None:
        if "x-amzn-errortype" in headers:
            raise to_error(Failure(200, headers, data))
        raise bad_response()
    request_id = headers.get("x-amzn-requestid")
    builder = MessageBuilder(translation.names)
    for block in answer.output.message.content:
        _add(builder, block, translation.reasoning_format, request_id or "")
    usage = to_usage(answer.usage)
    reason = to_finish_reason(answer.stop_reason, calls=bool(builder.calls))
    choice = Choice(index=0, message=builder.message(), finish_reason=reason)
    add_end(choice, answer.additional_model_response_fields, answer.trace)
    return Result(
        body=ChatCompletion(
            id=head.answer_id,
            choices=[choice],
            created=head.created,
            model=head.model,
            service_tier=to_tier(answer.service_tier),
            usage=usage.to_completion_usage(),
        ),
        usage=usage,
        upstream_id=request_id,
        upstream_model=invoked_model(answer.trace),
        native_finish_reason=answer.stop_reason,
        dropped_params=translation.dropped,
    )


def _add(builder: MessageBuilder, block: AnsweredBlock, owner: str, seed: str) -> None:
    """Take the next block; of an unknown kind is one with no field set."""
    call = block.tool_use
    if block.text is not None:
        builder.text(block.text)
    elif block.reasoning_content is not None:
        _add_reasoning(builder, block.reasoning_content, owner)
    elif block.citations_content is not None:
        cited = block.citations_content
        place = builder.text("".join(piece.text or "" for piece in cited.content or ()))
        if place is not None:
            builder.annotations += to_annotations(cited.citations or [], *place)
    elif block.image is not None:
        source = block.image.source
        if source is not None and source.data:
            builder.image(image_url(block.image.format, source.data))
    elif call is not None and is_clients(call):
        builder.call(call.name or "", to_arguments(call.input), call.tool_use_id, seed)


def _add_reasoning(builder: MessageBuilder, content: AnsweredReasoning, owner: str) -> None:
    details = builder.details
    if content.redacted_content is not None:
        details.append(to_encrypted_detail(content.redacted_content, owner, len(details)))
    given = content.reasoning_text
    if given is None or not (given.text or given.signature):
        return
    if given.text:
        builder.reasoning(given.text)
    details.append(to_detail(len(details), owner, text=given.text or None, signature=given.signature or None))
