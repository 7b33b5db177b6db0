"""Embedding requests and answers of `/api/embed`; knows no transport.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, checked 2026-11-26. Vectors are numbers; base64 is
encoded here.
"""

import base64
from array import array
from typing import Final

import msgspec

from adapters.base import Deployment, Losses, Result
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import UNREADABLE
from adapters.ollama.errors import to_error_inside
from adapters.ollama.response import BAD
from adapters.ollama.usage import to_usage
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.ollama import EmbedRequest, EmbedResponse
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(EmbedResponse)
_TRUNCATE: Final = {"true": True, "false": False}


def to_embed_request(request: EmbeddingRequest, deployment: Deployment, losses: Losses) -> EmbedRequest:
    """Return the body; raises `ProviderError` for tokens, and where there is nothing to embed."""
    if request.user is not None:
        losses.drop("user")
    given = [request.input] if isinstance(request.input, str) else request.input
    texts = [item for item in given if isinstance(item, str)]
    if len(texts) < len(given) or not texts:
        message = "This model embeds texts only, and at least one."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    truncate = deployment.options.get("truncate")
    if truncate is not None and truncate not in _TRUNCATE:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The deployment's option 'truncate' has no valid value.")
    return EmbedRequest(
        model=deployment.upstream_model,
        input=texts,
        dimensions=request.dimensions,
        truncate=None if truncate is None else _TRUNCATE[truncate],
        keep_alive=deployment.options.get("keep_alive"),
    )


def to_embedding_response(
    body: bytes, request: EmbeddingRequest, count: int, dropped: tuple[str, ...]
) -> Result[EmbeddingResponse]:
    """Return `count` vectors; raises `ProviderError` for an error and for what is no such answer."""
    try:
        response = _DECODER.decode(body)
        usage = to_usage(response)
    except UNREADABLE:
        raise ProviderError(ErrorKind.BAD_RESPONSE, BAD) from None
    if response.error is not None:
        raise to_error_inside(response.error)
    vectors = response.embeddings or []
    if len(vectors) != count:
        raise ProviderError(ErrorKind.BAD_RESPONSE, BAD)
    as_base64 = request.encoding_format == "base64"
    data = [
        Embedding(embedding=_base64(vector) if as_base64 else vector, index=index)
        for index, vector in enumerate(vectors)
    ]
    tokens = usage.prompt_tokens or 0 if usage is not None else 0
    return Result(
        body=EmbeddingResponse(
            data=data, model=request.model, usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
        ),
        usage=usage or Usage(),
        upstream_model=response.model or None,
        dropped_params=dropped,
    )


def _base64(vector: list[float]) -> str:
    try:
        return base64.b64encode(array("f", vector).tobytes()).decode("ascii")
    except OverflowError:
        raise ProviderError(ErrorKind.BAD_RESPONSE, BAD) from None
