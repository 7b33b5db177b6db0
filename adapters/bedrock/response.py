"""A whole Converse answer to a chat completion; knows no transport and no clock."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.anthropic.blocks import to_arguments
from adapters.base import Result
from adapters.bedrock.answer import (
    add_end,
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
from adapters.tool_ids import UniqueIds
from schemas.bedrock.response import AnsweredBlock, AnsweredReasoning, CalledTool, Citation, ConverseAnswer
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import (
    Annotation,
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    Choice,
    MessageToolCall,
)

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
    collected = _Collected(translation, request_id or "")
    for block in answer.output.message.content:
        collected.add(block)
    usage = to_usage(answer.usage)
    reason = to_finish_reason(answer.stop_reason, calls=bool(collected.calls))
    choice = Choice(index=0, message=collected.message(), finish_reason=reason)
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


class _Collected:
    """The parts of one message."""

    def __init__(self, translation: Translation, seed: str) -> None:
        self.calls: list[MessageToolCall] = []
        self._translation = translation
        self._seed = seed
        self._text: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self._details: list[ReasoningDetail] = []
        self._annotations: list[Annotation] = []
        self._ids = UniqueIds()
        self._by_tool = AnswerByTool() if translation.answers_by_tool else None

    def add(self, block: AnsweredBlock) -> None:
        """Take the next block; of an unknown kind is one with no field set."""
        if block.text is not None:
            self._add_text(block.text, [])
        elif block.reasoning_content is not None:
            self._add_reasoning(block.reasoning_content)
        elif block.citations_content is not None:
            cited = block.citations_content
            self._add_text("".join(piece.text or "" for piece in cited.content or ()), cited.citations or [])
        elif block.tool_use is not None and is_clients(block.tool_use):
            self._add_call(block.tool_use)

    def message(self) -> AssistantResponse:
        """Return all of it."""
        text = "".join(self._text)
        message = AssistantResponse(content=text if text or not self.calls else None)
        if self._reasoning:
            message.reasoning_content = message.reasoning = "".join(self._reasoning)
        if self._details:
            message.reasoning_details = self._details
        if self._annotations:
            message.annotations = self._annotations
        if self.calls:
            message.tool_calls = self.calls
        return message

    def _add_text(self, text: str, citations: list[Citation]) -> None:
        if self._by_tool is not None and self._by_tool.answered:
            return
        start, self._length = self._length, self._length + len(text)
        self._text.append(text)
        self._annotations += to_annotations(citations, start, self._length)

    def _add_reasoning(self, content: AnsweredReasoning) -> None:
        owner = self._translation.reasoning_format
        if content.redacted_content is not None:
            self._details.append(to_encrypted_detail(content.redacted_content, owner, len(self._details)))
        given = content.reasoning_text
        if given is None or not (given.text or given.signature):
            return
        if given.text:
            self._reasoning.append(given.text)
        text, signature = given.text or None, given.signature or None
        self._details.append(to_detail(len(self._details), owner, text=text, signature=signature))

    def _add_call(self, call: CalledTool) -> None:
        arguments = to_arguments(call.input)
        if self._by_tool is not None and call.name == JSON_TOOL:
            if self._by_tool.answer():
                self._annotations.clear()
                self._text, self._length = [arguments], len(arguments)
            return
        if self._by_tool is not None:
            self._by_tool.call()
        names = self._translation.names
        name = names.original(call.name or "")
        call_id = self._ids.take(call.tool_use_id, self._seed)
        if names.is_custom(name):
            custom = CalledCustomTool(name=name, input=free_text.text_of(arguments))
            self.calls.append(MessageToolCall(id=call_id, type="custom", custom=custom))
        else:
            function = CalledFunction(name=name, arguments=arguments)
            self.calls.append(MessageToolCall(id=call_id, function=function))
