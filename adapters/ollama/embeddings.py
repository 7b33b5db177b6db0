"""Embedding requests and answers of `/api/embed`; knows no transport.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, checked 2026-11-26. Vectors are numbers; base64 is
encoded here.
"""

from typing import Final

import msgspec

from adapters.base import Deployment, Losses, Result
from adapters.embeddings import texts_of, to_embedding_response
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.ollama.errors import to_error_inside
from adapters.ollama.usage import to_usage
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.ollama import EmbedRequest, EmbedResponse
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(EmbedResponse)
_TRUNCATE: Final = {"true": True, "false": False}


def to_embed_request(request: EmbeddingRequest, deployment: Deployment, losses: Losses) -> EmbedRequest:
    """Return the body; raises `ProviderError` for tokens, and where there is nothing to embed."""
    if request.user is not None:
        losses.drop("user")
    truncate = deployment.options.get("truncate")
    if truncate is not None and truncate not in _TRUNCATE:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The deployment's option 'truncate' has no valid value.")
    return EmbedRequest(
        model=deployment.upstream_model,
        input=texts_of(request),
        dimensions=request.dimensions,
        truncate=None if truncate is None else _TRUNCATE[truncate],
        keep_alive=deployment.options.get("keep_alive"),
    )


def to_result(
    body: bytes, request: EmbeddingRequest, count: int, dropped: tuple[str, ...]
) -> Result[EmbeddingResponse]:
    """Return `count` vectors; raises `ProviderError` for an error and for what is no such answer."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response)
    except UNREADABLE:
        raise bad_response() from None
    if response.error is not None:
        raise to_error_inside(response.error)
    vectors = response.embeddings or []
    if len(vectors) != count:
        raise bad_response()
    return Result(
        body=to_embedding_response(vectors, usage, request),
        usage=usage or Usage(),
        upstream_model=response.model or None,
        dropped_params=dropped,
    )
