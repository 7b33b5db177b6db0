"""`predict` and `embedContent` of embedding models on Vertex AI; knows no hub type.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api and the discovery
document of aiplatform v1.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

from schemas.google.request import Content, GoogleRequestStruct


class Instance(GoogleRequestStruct, frozen=True, kw_only=True):
    """One text."""

    content: str


class PredictParameters(GoogleRequestStruct, frozen=True, kw_only=True):
    """`auto_truncate` has no default so that it is always written: Google's own is to cut long texts silently."""

    auto_truncate: bool
    output_dimensionality: int | None = None


class PredictRequest(GoogleRequestStruct, frozen=True, kw_only=True):
    """Several texts."""

    instances: list[Instance]
    parameters: PredictParameters


class EmbedContentRequest(GoogleRequestStruct, frozen=True, kw_only=True):
    """One text, for the models of `embedContent`."""

    content: Content
    embed_content_config: PredictParameters


class Statistics(Struct, frozen=True, kw_only=True):
    """`token_count` is a whole number that may come as a float."""

    token_count: float | None = None


class PredictedEmbedding(Struct, frozen=True, kw_only=True):
    """One vector."""

    values: list[float]
    statistics: Statistics | None = None


class Prediction(Struct, frozen=True, kw_only=True):
    """The answer to one instance."""

    embeddings: PredictedEmbedding


class PredictResponse(Struct, frozen=True, kw_only=True):
    """The answers in the order of the instances."""

    predictions: list[Prediction] | None = None
    error: Raw | UnsetType = UNSET
