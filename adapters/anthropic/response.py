"""A whole Messages answer to a chat completion; knows no transport and no clock."""

from typing import Final

import msgspec
from msgspec import UNSET, Raw

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.anthropic.blocks import (
    decode_block,
    to_annotations,
    to_arguments,
    to_detail,
    to_encrypted_detail,
    to_finish_reason,
    to_refusal,
)
from adapters.anthropic.errors import to_error_inside
from adapters.anthropic.request import Translation
from adapters.anthropic.usage import Reported, add
from adapters.base import Result
from adapters.errors import UNREADABLE, bad_response
from adapters.held import Held
from adapters.tool_ids import UniqueIds
from schemas.anthropic.response import ContentBlock, MessageResponse
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
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(MessageResponse)
_ENCODER: Final = msgspec.json.Encoder()


class Answer:
    """One answer out of one round, or out of several where the provider paused its turn; `round_usage` of the last."""

    def __init__(self, translation: Translation) -> None:
        self._translation = translation
        self._last = MessageResponse()
        self._usage: Usage | None = None
        self.round_usage = Usage()
        self._service_tier: str | None = None
        self._held = Held()
        self._text: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self._details: list[ReasoningDetail] = []
        self._annotations: list[Annotation] = []
        self._calls: list[MessageToolCall] = []
        self._ids = UniqueIds()
        self._by_tool = AnswerByTool() if translation.answers_by_tool else None

    def add(self, data: bytes) -> list[Raw] | None:
        """Take a round; returns its blocks if the provider paused, None if the answer is complete.

        Raises `ProviderError` for an error in the answer's place and for anything that is no message,
        or where all rounds together are beyond `adapters.held.MAX_HELD`.
        """
        self._held.add(len(data))
        try:
            message = _DECODER.decode(data)
        except UNREADABLE:
            raise bad_response() from None
        if message.type == "error" or message.error is not None:
            raise to_error_inside(message.error, message.request_id)
        if message.content is None:
            raise bad_response()
        reported = Reported()
        reported.add(message.usage)
        self.round_usage = reported.usage(final=True)
        self._usage = add(self._usage, self.round_usage)
        self._service_tier = reported.service_tier
        self._last = message
        for raw in message.content:
            block = decode_block(raw)
            if block is not None:
                self._add_block(block)
        return message.content if message.stop_reason == "pause_turn" else None

    def result(self, *, answer_id: str, model: str, created: int) -> Result[ChatCompletion]:
        """Return the whole answer. `created` is in Unix seconds."""
        last, usage = self._last, self._usage or Usage()
        choice = Choice(
            index=0,
            message=self._message(),
            finish_reason=to_finish_reason(last.stop_reason, calls=bool(self._calls)),
        )
        if last.stop_sequence is not None:
            choice.stop_reason = Raw(_ENCODER.encode(last.stop_sequence))
        return Result(
            body=ChatCompletion(
                id=answer_id,
                choices=[choice],
                created=created,
                model=model,
                service_tier=self._service_tier or UNSET,
                usage=usage.to_completion_usage(),
            ),
            usage=usage,
            upstream_id=last.id,
            upstream_model=last.model,
            native_finish_reason=last.stop_reason,
            dropped_params=self._translation.dropped,
        )

    def _add_block(self, block: ContentBlock) -> None:
        match block.type:
            case "text":
                self._add_text(block.text or "", block.citations or [])
            case "thinking":
                self._add_thinking(block.thinking or None, block.signature or None)
            case "redacted_thinking":
                self._details.append(to_encrypted_detail(block.data or "", len(self._details)))
            case _:
                self._add_call(block)

    def _add_thinking(self, text: str | None, signature: str | None) -> None:
        if text is not None:
            self._reasoning.append(text)
        if text is not None or signature is not None:
            self._details.append(to_detail(len(self._details), text=text, signature=signature))

    def _add_text(self, text: str, citations: list[Raw]) -> None:
        if self._by_tool is not None and self._by_tool.answered:
            return
        start, self._length = self._length, self._length + len(text)
        self._text.append(text)
        self._annotations += to_annotations(citations, start, self._length)

    def _add_call(self, block: ContentBlock) -> None:
        arguments = to_arguments(block.input)
        if self._by_tool is not None and block.name == JSON_TOOL:
            if self._by_tool.answer():
                self._annotations.clear()
                self._text, self._length = [arguments], len(arguments)
            return
        if self._by_tool is not None:
            self._by_tool.call()
        names = self._translation.names
        name = names.original(block.name or "")
        call_id = self._ids.take(block.id, self._last.id or "")
        if names.is_custom(name):
            custom = CalledCustomTool(name=name, input=free_text.text_of(arguments))
            self._calls.append(MessageToolCall(id=call_id, type="custom", custom=custom))
        else:
            function = CalledFunction(name=name, arguments=arguments)
            self._calls.append(MessageToolCall(id=call_id, function=function))

    def _message(self) -> AssistantResponse:
        text = "".join(self._text)
        refusal = to_refusal(self._last.stop_reason, self._last.stop_details, text)
        message = AssistantResponse(refusal=refusal)
        message.content = None if not text and (self._calls or refusal is not None) else text
        if self._reasoning:
            message.reasoning_content = message.reasoning = "".join(self._reasoning)
        if self._details:
            message.reasoning_details = self._details
        if self._annotations:
            message.annotations = self._annotations
        if self._calls:
            message.tool_calls = self._calls
        return message
