"""Embeddings of the echo model: vectors of length 1 that depend on the text alone; pure."""

import base64
import hashlib
import math
import struct
from typing import Final

from adapters.base import Deployment
from adapters.echo import tokens
from adapters.echo.directives import Directives, read_directives, split_prefix
from adapters.errors import ErrorKind, ProviderError
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.usage import Usage

MAX_INPUTS: Final = 2048
MAX_DIMENSIONS: Final = 8192
MAX_NUMBERS: Final = MAX_INPUTS * 256


def directives_of(request: EmbeddingRequest, deployment: Deployment) -> Directives:
    """Return the directives: the deployment's, and a prefix of the first input text."""
    prefix, _ = split_prefix(_inputs(request)[0])
    return read_directives(deployment.options, "", prefix)


def embed(request: EmbeddingRequest, directives: Directives, model: str) -> tuple[EmbeddingResponse, Usage]:
    """Return the vectors and the usage."""
    dimensions = request.dimensions if request.dimensions is not None else directives.dimensions
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        message = f"'dimensions' must be between 1 and {MAX_DIMENSIONS}."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="dimensions")
    inputs = _inputs(request)
    if len(inputs) * dimensions > MAX_NUMBERS:
        message = f"The echo model gives at most {MAX_NUMBERS} numbers at once: fewer inputs or dimensions, please."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    vectors = [_unit_vector(text, dimensions) for text in inputs]
    data = [
        Embedding(embedding=_base64(vector) if request.encoding_format == "base64" else vector, index=index)
        for index, vector in enumerate(vectors)
    ]
    total = sum(map(tokens.count, inputs))
    counted = EmbeddingUsage(prompt_tokens=total, total_tokens=total)
    return EmbeddingResponse(data=data, model=model, usage=counted), Usage(prompt_tokens=total)


def _inputs(request: EmbeddingRequest) -> list[str]:
    given = request.input
    if isinstance(given, str):
        return [given]
    texts = [item for item in given if isinstance(item, str)]
    lists = [" ".join(map(str, item)) for item in given if isinstance(item, list)]
    numbers = " ".join(str(item) for item in given if isinstance(item, int))
    inputs = texts or lists or [numbers]
    if not given or len(inputs) > MAX_INPUTS:
        message = f"'input' must hold between 1 and {MAX_INPUTS} items."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    return inputs


def _unit_vector(text: str, dimensions: int) -> list[float]:
    digest = hashlib.shake_128(text.encode("utf-8", "replace")).digest(2 * dimensions)
    numbers = struct.unpack(f"<{dimensions}h", digest)
    norm = math.hypot(*numbers)
    return [number / norm for number in numbers] if norm else [1.0] + [0.0] * (dimensions - 1)


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
