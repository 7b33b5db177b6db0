"""Legacy text completions, as a value for the one pipeline."""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from adapters.base import Call, ChunkStream, Result, SupportsCompletions
from aqueduct.dialects.decode import RequestDecoder, require_one_kind
from aqueduct.pipeline.meter import chars_of, text_chars
from aqueduct.pipeline.spec import OperationSpec, StreamSpec, answers
from schemas.completions import Completion, CompletionChoice, CompletionRequest
from schemas.usage import Usage


class StrictCompletionRequest(CompletionRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A completion request without unknown top-level fields."""


async def _call(adapter: object, request: CompletionRequest, call: Call) -> Result[Completion]:
    return await _supporting(adapter).completion(request, call)


async def _open(adapter: object, request: CompletionRequest, call: Call) -> ChunkStream[Completion]:
    return await _supporting(adapter).completion_stream(request, call)


def _supporting(adapter: object) -> SupportsCompletions:
    return adapter  # type: ignore[return-value]  # the pipeline has checked the Protocol once per adapter


def _content_chars(chunk: Completion) -> int:
    return sum(text_chars(choice.text) for choice in chunk.choices)


def _mask_usage(chunk: Completion) -> None:
    chunk.usage = None


def _usage_chunk(like: Completion, usage: Usage) -> Completion:
    return Completion(
        id=like.id,
        choices=[],
        created=like.created,
        model=like.model,
        system_fingerprint=like.system_fingerprint,
        usage=usage.to_completion_usage(),
    )


def _cut(like: Completion, numbers: Collection[int]) -> Completion:
    return Completion(
        id=like.id,
        choices=[CompletionChoice(text="", index=number, finish_reason="length") for number in numbers],
        created=like.created,
        model=like.model,
        system_fingerprint=like.system_fingerprint,
    )


def _choices(chunk: Completion) -> Collection[int]:
    return [choice.index for choice in chunk.choices]


def _bounded(request: CompletionRequest, tokens: int) -> CompletionRequest:
    return replace(request, max_tokens=max(1, tokens // answers(request)))


def _finish_reason(body: Completion) -> str | None:
    for choice in body.choices:
        if choice.finish_reason is not None:
            return choice.finish_reason
    return None


def _prompt_chars(request: CompletionRequest) -> int:
    return chars_of(request.prompt)


def _validate(request: CompletionRequest) -> None:
    require_one_kind(request.prompt, "prompt")


COMPLETIONS: Final = OperationSpec[CompletionRequest, Completion, Completion](
    name="completions",
    path="/completions",
    summary="Create a text completion (legacy)",
    supports=SupportsCompletions,
    request_type=CompletionRequest,
    body_type=Completion,
    chunk_type=Completion,
    decoder=RequestDecoder(CompletionRequest, StrictCompletionRequest),
    call=_call,
    finish_reason=_finish_reason,
    prompt_chars=_prompt_chars,
    output_chars=_content_chars,
    validate=_validate,
    bounded=_bounded,
    stream=StreamSpec(
        open=_open,
        content_chars=_content_chars,
        mask_usage=_mask_usage,
        usage_chunk=_usage_chunk,
        finish_reason=_finish_reason,
        cut=_cut,
        choices=_choices,
    ),
)
