"""A whole Messages answer to a chat completion; knows no transport and no clock."""

from typing import Final

import msgspec
from msgspec import UNSET, Raw

from adapters.anthropic.blocks import (
    decode_block,
    to_annotations,
    to_arguments,
    to_detail,
    to_encrypted_detail,
    to_filter_results,
    to_finish_reason,
    to_refusal,
)
from adapters.anthropic.errors import to_error_inside
from adapters.anthropic.request import Translation
from adapters.anthropic.usage import Reported, add
from adapters.base import Result
from adapters.errors import UNREADABLE, bad_response
from adapters.held import Held
from adapters.message import MessageBuilder
from schemas.anthropic.response import ContentBlock, MessageResponse
from schemas.chat_response import ChatCompletion, Choice
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
        self._builder = MessageBuilder(translation.names)

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
        refusal = to_refusal(last.stop_reason, last.stop_details, self._builder.said)
        choice = Choice(
            index=0,
            message=self._builder.message(refusal),
            finish_reason=to_finish_reason(last.stop_reason, calls=bool(self._builder.calls)),
        )
        if refusal is not None:
            choice.content_filter_results = to_filter_results(last.stop_details)
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
                place = self._builder.text(block.text or "")
                if place is not None:
                    self._builder.annotations += to_annotations(block.citations or [], *place)
            case "thinking":
                self._add_thinking(block.thinking or None, block.signature or None)
            case "redacted_thinking":
                details = self._builder.details
                details.append(to_encrypted_detail(block.data or "", len(details)))
            case _:
                self._builder.call(block.name or "", to_arguments(block.input), block.id, self._last.id or "")

    def _add_thinking(self, text: str | None, signature: str | None) -> None:
        if text is not None:
            self._builder.reasoning(text)
        if text is not None or signature is not None:
            details = self._builder.details
            details.append(to_detail(len(details), text=text, signature=signature))
