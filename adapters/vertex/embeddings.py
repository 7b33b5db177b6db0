"""Embeddings on Vertex AI; knows no URL and no credential.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api, checked 2026-11-24,
and recorded answers. Texts that are too long are refused by Google, not cut: `autoTruncate` is always off.

| Model                               | Method         | Texts in one request        |
|-------------------------------------|----------------|-----------------------------|
| `gemini-embedding-2` and later      | `embedContent` | 1                           |
| `gemini-embedding-001`, `-exp-...`  | `predict`      | 1                           |
| `text-embedding-...` and others     | `predict`      | 100, `MAX_BATCH_BYTES` long |
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from adapters.base import Call, Result
from adapters.embeddings import Embedded, Vector, embed_batches, estimated_usage, texts_of
from adapters.errors import UNREADABLE, bad_response
from adapters.exchange import read_body
from adapters.google import embeddings as google
from adapters.google.adapter import losses_of, with_extra
from adapters.google.errors import to_error, to_error_inside, unreadable
from adapters.vertex.sender import Sender
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.google.request import Content, Part
from schemas.usage import Usage
from schemas.vertex import EmbedContentRequest, Instance, PredictParameters, PredictRequest, PredictResponse

MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 40_000  # 20,000 tokens are the limit of one request
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(PredictResponse)


async def embed(request: EmbeddingRequest, call: Call, sender: Sender) -> Result[EmbeddingResponse]:
    """Return the vectors; raises `ProviderError`."""
    losses = losses_of(call)
    if request.user is not None:
        losses.drop("user")
    name = call.deployment.upstream_model.rpartition("/")[2]
    method = method_of(name)
    read = google.read_vectors if method == "embedContent" else read_predictions
    parameters = PredictParameters(auto_truncate=False, output_dimensionality=request.dimensions)

    async def embed_batch(texts: list[str]) -> Embedded:
        data = with_extra(_ENCODER.encode(to_body(method, texts, parameters)), call, losses)
        response = await sender.post(method, data, call, call.deployment.headers, to_error)
        return read(await read_body(response), texts)

    batches = list(_batches(texts_of(request), 1 if name.startswith("gemini") else MAX_BATCH))
    return await embed_batches(request, batches, embed_batch, call, losses)


def method_of(name: str) -> str:
    """Return the method that serves a model."""
    is_content = name.startswith("gemini") and not name.startswith(("gemini-embedding-001", "gemini-embedding-exp"))
    return "embedContent" if is_content else "predict"


def to_body(method: str, texts: Sequence[str], parameters: PredictParameters) -> EmbedContentRequest | PredictRequest:
    """Return the body for a batch of texts, which is one text for `embedContent`."""
    if method == "embedContent":
        content = Content(role="user", parts=[Part(text=text) for text in texts])
        return EmbedContentRequest(content=content, embed_content_config=parameters)
    return PredictRequest(instances=[Instance(content=text) for text in texts], parameters=parameters)


def read_predictions(body: bytes, texts: Sequence[str]) -> tuple[list[Vector], Usage]:
    """Return the vectors of one answer of `predict` and its usage, estimated where it reports none."""
    try:
        response = _DECODER.decode(body)
    except UNREADABLE:
        raise unreadable(body) from None
    if response.error:
        raise to_error_inside(bytes(response.error))
    found = [prediction.embeddings for prediction in response.predictions or ()]
    if len(found) != len(texts):
        raise bad_response()
    counts = [one.statistics.token_count for one in found if one.statistics is not None]
    tokens = [int(count) for count in counts if count is not None and 0 <= count < 1e9]
    usage = Usage(prompt_tokens=sum(tokens)) if len(tokens) == len(found) else estimated_usage(texts)
    return [one.values for one in found], usage


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == most or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    yield batch
