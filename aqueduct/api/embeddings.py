"""Embeddings, as a value for the one pipeline."""

from typing import Final

from adapters.base import Call, Result, SupportsEmbeddings
from aqueduct.dialects.decode import RequestDecoder, require_one_kind
from aqueduct.errors import invalid_request
from aqueduct.pipeline.meter import chars_of
from aqueduct.pipeline.spec import OperationSpec
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse


class StrictEmbeddingRequest(EmbeddingRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An embeddings request without unknown top-level fields."""


async def _call(adapter: object, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
    supporting: SupportsEmbeddings = adapter  # type: ignore[assignment]  # the pipeline has checked the Protocol
    return await supporting.embeddings(request, call)


def _finish_reason(body: EmbeddingResponse) -> str | None:
    del body
    return None


def _prompt_chars(request: EmbeddingRequest) -> int:
    return chars_of(request.input)


def _output_chars(body: EmbeddingResponse) -> int:
    del body
    return 0


def _validate(request: EmbeddingRequest) -> None:
    if not request.input:
        raise invalid_request("invalid_value", "'input' is empty; send at least one text or token.", "input")
    require_one_kind(request.input, "input")


EMBEDDINGS: Final = OperationSpec[EmbeddingRequest, EmbeddingResponse, EmbeddingResponse](
    name="embeddings",
    path="/embeddings",
    summary="Create embeddings",
    supports=SupportsEmbeddings,
    request_type=EmbeddingRequest,
    body_type=EmbeddingResponse,
    decoder=RequestDecoder(EmbeddingRequest, StrictEmbeddingRequest),
    call=_call,
    finish_reason=_finish_reason,
    prompt_chars=_prompt_chars,
    output_chars=_output_chars,
    validate=_validate,
)
