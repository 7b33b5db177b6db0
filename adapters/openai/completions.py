"""Legacy text completions of OpenAI-format servers, whole and streamed; knows no HTTP and no chat.

Source: https://platform.openai.com/docs/api-reference/completions.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from adapters.base import Call, Losses, Result
from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from adapters.extra_params import forwardable
from adapters.openai import parts
from adapters.openai.errors import to_error_inside
from adapters.openai.finish import to_finish_reason
from adapters.openai.quirks import Quirks
from adapters.openai.request import drop_unknown, encode_body, rename, to_stream_options
from adapters.openai.response import created_of, decode_completion, usage_of
from adapters.openai.stream import DONE
from adapters.openai.usage import merge
from adapters.sse import Event
from adapters.stream_state import OwnState
from schemas.completions import Completion, CompletionChoice, CompletionRequest
from schemas.openai import Optional, WireChoice, WireCompletion
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireCompletion)


def to_completion_body(
    request: CompletionRequest, call: Call, quirks: Quirks, *, stream: bool
) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped."""
    losses = Losses(call.deployment.extra_params)
    extra = forwardable(call, losses)
    changes: dict[str, object] = {
        "model": call.deployment.upstream_model,
        "stream": True if stream else None,
        "stream_options": to_stream_options(request.stream_options, quirks, losses) if stream else None,
    }
    drop_unknown(request, quirks, changes, losses)
    rename(request, quirks, changes, extra)
    return encode_body(replace(request, **changes), extra), losses.dropped


def to_completion(body: bytes, *, model: str, answer_id: str, created: int) -> Result[Completion]:
    """Return the answer; `answer_id` and `created` stand in where the server gives none.

    Raises:
        ProviderError: the body is an error, or no answer.
    """
    wire = decode_completion(body)
    choices = wire.choices or []
    upstream_id = str(wire.id) if wire.id else None
    usage = usage_of(wire)
    completion = Completion(
        id=upstream_id or answer_id,
        choices=[_to_choice(choice, position) for position, choice in enumerate(choices)],
        created=created_of(wire, created),
        model=model,
        system_fingerprint=wire.system_fingerprint,
    )
    for choice, native in zip(completion.choices, choices, strict=True):
        choice.finish_reason = _to_reason(native.finish_reason)
    if usage is not None:
        completion.usage = usage.to_completion_usage()
    return Result(
        body=completion,
        usage=usage or Usage(),
        upstream_id=upstream_id,
        upstream_model=wire.model or None,
        native_finish_reason=choices[0].finish_reason or None,
    )


class CompletionTranslator(OwnState):
    """One stream: see `adapters.exchange.Translator`. `model`, `answer_id` and `created` as in `to_completion`."""

    def __init__(self, *, model: str, answer_id: str, created: int) -> None:
        self._model = model
        self._id = answer_id
        self._created = created
        self._open: dict[int, bool] = {}

    def feed(self, event: Event) -> Sequence[Completion]:
        """Return the items of one event; raises `ProviderError` for an error or for what is no stream item."""
        if event.data[:6] == DONE:
            return self._end()
        try:
            wire = _DECODER.decode(event.data)
        except UNREADABLE:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent an event that is no stream item.") from None
        if parts.is_given(wire.error) or wire.object == "error" or event.name == b"error":
            raise to_error_inside(event.data)
        self.usage = merge(self.usage, usage_of(wire))
        if not wire.choices:
            return ()
        if not self._open:
            self.upstream_id = str(wire.id) if wire.id else None
            self.upstream_model = wire.model or None
            self._id = self.upstream_id or self._id
            self._created = created_of(wire, self._created)
        choices = [_to_choice(choice, 0) for choice in wire.choices if self._takes(choice)]
        return (self._item(choices, wire.system_fingerprint),) if choices else ()

    def finish(self) -> Sequence[Completion]:
        """Take the end of the stream; a missing `[DONE]` is forgiven where every choice has finished."""
        if self.finished:
            return ()
        if not self._open or any(self._open.values()):
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream ended too early.")
        return self._end()

    def _takes(self, choice: WireChoice) -> bool:
        """Note what a piece does to its choice; an empty one and all that follows an end are left out."""
        index = choice.index or 0
        if not self._open.setdefault(index, True):
            return False
        if choice.finish_reason:
            if not index or self.native_finish_reason is None:  # the first choice's, as in a whole answer
                self.native_finish_reason = choice.finish_reason
            self._open[index] = False
            return True
        return bool(choice.text) or parts.is_given(choice.logprobs)

    def _end(self) -> list[Completion]:
        if not self._open:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's stream holds no answer.")
        self.finished = True
        unfinished = [index for index, is_open in self._open.items() if is_open]
        ends = [CompletionChoice(text="", index=index, finish_reason="stop") for index in unfinished]
        return [self._item(ends, UNSET)] if ends else []

    def _item(self, choices: list[CompletionChoice], fingerprint: str | UnsetType | None) -> Completion:
        return Completion(
            id=self._id,
            choices=choices,
            created=self._created,
            model=self._model,
            system_fingerprint=fingerprint,
        )


def _to_choice(choice: WireChoice, position: int) -> CompletionChoice:
    return CompletionChoice(
        text=choice.text or "",
        index=position if choice.index is None else choice.index,
        finish_reason=_to_reason(choice.finish_reason) if choice.finish_reason else None,
        logprobs=_to_logprobs(choice.logprobs),
    )


def _to_reason(native: str | None) -> Literal["stop", "length", "content_filter"]:
    reason = to_finish_reason(native, called_tools=False)
    return reason if reason in ("length", "content_filter") else "stop"


def _to_logprobs(raw: Optional) -> Raw | None:
    """Return them as they are: providers differ in what is inside. What is no object is none."""
    logprobs = parts.given(raw)
    return None if isinstance(logprobs, UnsetType) or bytes(logprobs)[:1] != b"{" else logprobs
