"""Embedding requests and answers; knows no transport.

Source: https://docs.cohere.com/v2/reference/embed. Vectors are always asked for as numbers: only for these does the API
say which type they have, and OpenAI's base64 is of float32.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from adapters.base import Call, Losses
from adapters.cohere.errors import error_message, to_error_inside
from adapters.cohere.usage import to_usage
from adapters.embeddings import Vector, estimated_usage, texts_of
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from schemas.cohere import EmbedRequest, EmbedResponse
from schemas.embeddings import EmbeddingRequest
from schemas.usage import Usage

MAX_BATCH: Final = 96
DEFAULT_INPUT_TYPE: Final = "search_document"
FORWARDED: Final = frozenset({"input_type", "truncate"})
"""The client's fields that stand in for the deployment's options, where its policy forwards unknown fields."""
_DECODER: Final = msgspec.json.Decoder(EmbedResponse)
_TEXT: Final = msgspec.json.Decoder(str)


def to_embed_requests(request: EmbeddingRequest, call: Call, losses: Losses) -> list[EmbedRequest]:
    """Return the bodies for `/v2/embed`, of at most `MAX_BATCH` texts each."""
    if request.user is not None:
        losses.drop("user")
    texts = texts_of(request)
    return [
        EmbedRequest(
            model=call.deployment.upstream_model,
            texts=texts[start : start + MAX_BATCH],
            input_type=_option("input_type", call) or DEFAULT_INPUT_TYPE,
            embedding_types=["float"],
            output_dimension=request.dimensions,
            truncate=_option("truncate", call),
        )
        for start in range(0, len(texts), MAX_BATCH)
    ]


def read_vectors(body: bytes, texts: Sequence[str]) -> tuple[list[Vector], Usage]:
    """Return the vectors of one answer and its usage, estimated where the provider reports none."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response.meta)
    except UNREADABLE:
        if (message := error_message(body)) is not None:
            raise to_error_inside(message) from None
        raise bad_response() from None
    vectors = response.embeddings.floats or []
    if len(vectors) != len(texts):
        raise bad_response()
    return vectors, usage or estimated_usage(texts)


def _option(name: str, call: Call) -> str | None:
    given: Raw | None = call.extra_params.get(name) if call.deployment.extra_params == "forward" else None
    if given is None or bytes(given) == b"null":
        return call.deployment.options.get(name)
    try:
        return _TEXT.decode(given)
    except UNREADABLE:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"'{name}' must be a text.", param=name) from None
