"""Embedding requests and answers; knows no transport.

Source: https://ai.google.dev/api/embeddings. Gemini embeds texts, not tokens, and at most 100 in one request.
"""

import base64
import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.google.errors import holds_error, to_error_inside
from adapters.google.usage import estimated_usage, to_usage
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.google.embeddings import EmbedContentRequest, EmbedContentResponse
from schemas.google.request import Content, Part
from schemas.usage import Usage

MAX_BATCH: Final = 100
MAX_INPUTS: Final = 2048
_DECODER: Final = msgspec.json.Decoder(EmbedContentResponse)
Vector = list[float]


def to_embed_requests(request: EmbeddingRequest, model: str, losses: Losses) -> list[EmbedContentRequest]:
    """Return one request per text. `model` is the resource name, `models/...`."""
    if request.user is not None:
        losses.drop("user")
    return [
        EmbedContentRequest(
            model=model, content=Content(parts=[Part(text=text)]), output_dimensionality=request.dimensions
        )
        for text in texts_of(request)
    ]


def texts_of(request: EmbeddingRequest) -> list[str]:
    """Return the inputs; raises `ProviderError` for tokens and for too many or none."""
    given = [request.input] if isinstance(request.input, str) else request.input
    texts = [item for item in given if isinstance(item, str)]
    if len(texts) < len(given):
        message = "This model embeds texts only, no tokens."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    if not 1 <= len(texts) <= MAX_INPUTS:
        message = f"'input' must hold between 1 and {MAX_INPUTS} texts."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    return texts


def read_vectors(body: bytes, texts: Sequence[str]) -> tuple[list[Vector], Usage]:
    """Return the vectors of one answer and its usage, estimated where the provider reports none."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response.usage_metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if holds_error(body):
            raise to_error_inside(body) from None
        raise _bad_answer() from None
    if response.error:
        raise to_error_inside(bytes(response.error))
    found = response.embeddings if response.embeddings is not None else [response.embedding]
    vectors = [embedding.values for embedding in found if embedding is not None]
    if len(vectors) != len(texts):
        raise _bad_answer()
    return vectors, usage or estimated_usage(texts)


def to_embedding_response(vectors: Sequence[Vector], usage: Usage, request: EmbeddingRequest) -> EmbeddingResponse:
    """Return the vectors in OpenAI's form, in base64 where the client asked for it."""
    in_base64 = request.encoding_format == "base64"
    total = usage.prompt_tokens or 0
    return EmbeddingResponse(
        data=[
            Embedding(embedding=_base64(vector) if in_base64 else vector, index=index)
            for index, vector in enumerate(vectors)
        ],
        model=request.model,
        usage=EmbeddingUsage(prompt_tokens=total, total_tokens=total),
    )


def _base64(vector: Vector) -> str:
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
    except (struct.error, OverflowError):
        raise _bad_answer() from None


def _bad_answer() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer is not what its API promises.")
