"""Embeddings of OpenAI-format servers: request out, vectors in; knows no HTTP.

Source: https://platform.openai.com/docs/api-reference/embeddings. The client gets the encoding that it asked for, also
from servers that know only one.
"""

import base64
import binascii
import math
from array import array
from typing import Final, Literal

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from adapters.base import Call, Losses, Result
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.extra_params import forwardable
from adapters.openai import parts
from adapters.openai.errors import to_error_inside
from adapters.openai.quirks import Quirks
from adapters.openai.request import drop_unknown, encode_body, rename
from adapters.openai.usage import to_usage
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.openai import WireEmbeddings
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireEmbeddings)


def to_embedding_body(request: EmbeddingRequest, call: Call, quirks: Quirks) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped."""
    losses = Losses(call.deployment.extra_params)
    extra = forwardable(call, losses)
    changes: dict[str, object] = {"model": call.deployment.upstream_model}
    drop_unknown(request, quirks, changes, losses)
    rename(request, quirks, changes, extra)
    if quirks.embeddings != "any":
        changes["encoding_format"] = None
    return encode_body(replace(request, **changes), extra), losses.dropped


def to_embedding_response(body: bytes, request: EmbeddingRequest, quirks: Quirks) -> Result[EmbeddingResponse]:
    """Return the vectors in the order of the inputs; raises `ProviderError` for an error or what is no answer."""
    try:
        wire = _DECODER.decode(body)
    except UNREADABLE:
        raise bad_response() from None
    if parts.is_given(wire.error) or wire.object == "error":
        raise to_error_inside(body)
    if not wire.data:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer holds no embedding.")
    if len(wire.data) != _inputs(request.input):
        message = "The provider's answer holds another number of embeddings than the request has inputs."
        raise ProviderError(ErrorKind.BAD_RESPONSE, message)
    as_base64 = request.encoding_format == "base64"
    data = [
        Embedding(
            embedding=_encoded(item.embedding, quirks, as_base64=as_base64),
            index=position if item.index is None else item.index,
        )
        for position, item in enumerate(wire.data)
    ]
    data.sort(key=lambda item: item.index)
    usage = None if isinstance(wire.usage, UnsetType) else to_usage(wire.usage)
    tokens = usage.prompt_tokens or 0 if usage is not None else 0
    return Result(
        body=EmbeddingResponse(
            data=data, model=request.model, usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
        ),
        usage=usage or Usage(),
        upstream_id=wire.id or None,
        upstream_model=wire.model or None,
    )


def _inputs(given: str | list[str | int | list[int]]) -> int:
    """Return how many vectors a request asks for: tokens side by side are one input."""
    return 1 if isinstance(given, str) or (given and isinstance(given[0], int)) else len(given)


def _encoded(vector: list[float] | str, quirks: Quirks, *, as_base64: bool) -> list[float] | str:
    if quirks.embeddings == "int8" and isinstance(vector, str):
        vector = _decoded(vector, "b")
    if as_base64 == isinstance(vector, str):
        return vector
    if isinstance(vector, str):
        return _decoded(vector, "f")
    try:
        return base64.b64encode(array("f", vector).tobytes()).decode("ascii")
    except OverflowError:
        raise bad_response() from None


def _decoded(vector: str, typecode: Literal["f", "b"]) -> list[float]:
    """Return the numbers in base64: 32-bit floats or 8-bit integers."""
    try:
        data = base64.b64decode(vector, validate=True)
        numbers = array("f", data).tolist() if typecode == "f" else array("b", data).tolist()
    except (binascii.Error, ValueError):
        raise bad_response() from None
    if not math.isfinite(sum(numbers)):  # JSON has no such numbers: the client would get nulls
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer holds an embedding that is no vector.")
    return [float(number) for number in numbers]
