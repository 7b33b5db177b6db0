"""Embedding requests and answers; knows no transport.

Source: https://ai.google.dev/api/embeddings. Gemini embeds texts, not tokens, and at most 100 in one request.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.base import Losses
from adapters.embeddings import Vector, estimated_usage, texts_of
from adapters.errors import UNREADABLE, bad_response
from adapters.google.errors import to_error_inside, unreadable
from adapters.google.usage import to_usage
from schemas.embeddings import EmbeddingRequest
from schemas.google.embeddings import EmbedContentRequest, EmbedContentResponse
from schemas.google.request import Content, Part
from schemas.usage import Usage

MAX_BATCH: Final = 100
_DECODER: Final = msgspec.json.Decoder(EmbedContentResponse)


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


def read_vectors(body: bytes, texts: Sequence[str]) -> tuple[list[Vector], Usage]:
    """Return the vectors of one answer and its usage, estimated where the provider reports none."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response.usage_metadata)
    except UNREADABLE:
        raise unreadable(body) from None
    if response.error:
        raise to_error_inside(bytes(response.error))
    found = response.embeddings if response.embeddings is not None else [response.embedding]
    vectors = [embedding.values for embedding in found if embedding is not None]
    if len(vectors) != len(texts):
        raise bad_response()
    return vectors, usage or estimated_usage(texts)
