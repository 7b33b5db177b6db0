"""Embeddings of providers that embed texts alone and give numbers: the texts, and the vectors as OpenAI gives them."""

import base64
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from adapters.errors import ErrorKind, ProviderError, bad_response
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.usage import Usage

MAX_INPUTS: Final = 2048
BYTES_PER_TOKEN: Final = 4
Vector = list[float]


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


def estimated_usage(texts: Iterable[str]) -> Usage:
    """Return an estimate of the prompt tokens of embedded texts: one for four bytes."""
    total = sum(-(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN) for text in texts)
    return Usage(prompt_tokens=total, source="estimated")


def to_embedding_response(
    vectors: Sequence[Vector], usage: Usage | None, request: EmbeddingRequest
) -> EmbeddingResponse:
    """Return the vectors in OpenAI's form, in base64 of float32 where the client asked for it.

    Raises:
        ProviderError: a number is no float32.
    """
    in_base64 = request.encoding_format == "base64"
    total = (usage.prompt_tokens or 0) if usage is not None else 0
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
        raise bad_response() from None
