"""Embedding requests and answers of `InvokeModel`, whose bodies are the models' own; knows no transport.

| Model                                         | Texts a call | `dimensions` |
|-----------------------------------------------|--------------|--------------|
| `amazon.titan-embed-text-v2`                  | 1            | yes          |
| `amazon.titan-embed-text-v1`, `...-g1-text-`  | 1            | no           |
| `cohere.embed-v4`                             | 96           | yes          |
| `cohere.embed-english-v3`, `-multilingual-v3` | 96           | no           |

Sources: see `schemas.bedrock.embeddings`. Cohere's answers do not say how many tokens were read; the header
`x-amzn-bedrock-input-token-count` does, which no page documents and other gateways have seen.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from adapters.base import Call, Losses
from adapters.embeddings import Vector, estimated_usage, texts_of
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, bad_response
from adapters.extra_params import forwardable
from schemas.bedrock.embeddings import ByType, CohereRequest, EmbeddingAnswer, TitanRequest
from schemas.embeddings import EmbeddingRequest
from schemas.usage import Usage

Family = Literal["titan", "cohere"]
DEFAULT_INPUT_TYPE: Final = "search_document"
TOKENS_HEADER: Final = "x-amzn-bedrock-input-token-count"
_MAX_TEXTS: Final[dict[Family, int]] = {"titan": 1, "cohere": 96}
_FAMILIES: Final[tuple[tuple[re.Pattern[str], Family], ...]] = (
    (re.compile(r"titan-embed-(?:text|g1-text)"), "titan"),
    (re.compile(r"cohere\.embed-"), "cohere"),
)
_SHORTENS: Final = re.compile(r"titan-embed-text-v2|cohere\.embed-v[4-9]")
# What is embedded and in which numbers is the gateway's to say; `input_type`, `truncate`, `normalize` are not.
_WRITTEN: Final = frozenset(
    {
        "dimensions", "embeddingTypes", "embedding_types", "images", "inputImage", "inputText", "inputs",
        "output_dimension", "texts",
    }
)  # fmt: skip
_ENCODER: Final = msgspec.json.Encoder()
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_DECODER: Final = msgspec.json.Decoder(EmbeddingAnswer)


class Batch(Struct, frozen=True):
    """The body of one call, and the texts in it."""

    body: bytes
    texts: Sequence[str]


def to_batches(request: EmbeddingRequest, call: Call, losses: Losses) -> list[Batch]:
    """Return the calls that embed the texts, in order; raises `ProviderError` for what the model does not do."""
    model = (call.deployment.options.get("base_model") or call.deployment.upstream_model).lower()
    family = _family(model)
    if family is None:
        message = "This model makes no embeddings, or none that the gateway can ask for."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="model")
    if request.dimensions is not None and not _SHORTENS.search(model):
        message = "The vectors of this model have one length. Leave 'dimensions' out."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="dimensions")
    texts = texts_of(request)
    if request.user is not None:
        losses.drop("user")
    extra = _extra(call, losses)
    size = _MAX_TEXTS[family]
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]
    return [Batch(_body(family, part, request, call, extra), part) for part in parts]


def read_vectors(body: bytes, headers: Mapping[str, str], batch: Batch) -> tuple[list[Vector], Usage]:
    """Return the vectors of one call and its usage, estimated where the provider reports none."""
    try:
        answer = _DECODER.decode(body)
    except UNREADABLE:
        raise bad_response() from None
    found = answer.embeddings.floats if isinstance(answer.embeddings, ByType) else answer.embeddings
    vectors = [answer.embedding] if answer.embedding is not None else found
    if vectors is None or len(vectors) != len(batch.texts):
        raise bad_response()
    tokens = answer.tokens if answer.tokens is not None else _tokens_of(headers)
    return vectors, Usage(prompt_tokens=tokens) if tokens is not None else estimated_usage(batch.texts)


def _family(model: str) -> Family | None:
    for pattern, family in _FAMILIES:
        if pattern.search(model):
            return family
    return None


def _body(family: Family, texts: list[str], request: EmbeddingRequest, call: Call, extra: Mapping[str, Raw]) -> bytes:
    options = call.deployment.options
    if family == "titan":
        data = _ENCODER.encode(TitanRequest(input_text=texts[0], dimensions=request.dimensions))
    else:
        data = _ENCODER.encode(
            CohereRequest(
                texts=texts,
                input_type=options.get("input_type") or DEFAULT_INPUT_TYPE,
                truncate=options.get("truncate"),
                output_dimension=request.dimensions,
            )
        )
    return _ENCODER.encode({**_FIELDS.decode(data), **extra}) if extra else data


def _extra(call: Call, losses: Losses) -> dict[str, Raw]:
    """Return the client's unknown fields that the operator forwards; the others are named as lost."""
    if call.deployment.extra_params != "forward":
        for name in call.extra_params:
            losses.drop(name)
        return {}
    kept: dict[str, Raw] = {}
    for name, value in forwardable(call, losses).items():
        if name in _WRITTEN:
            losses.drop(name)
        elif bytes(value) != b"null":
            kept[name] = value
    return kept


def _tokens_of(headers: Mapping[str, str]) -> int | None:
    text = headers.get(TOKENS_HEADER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
