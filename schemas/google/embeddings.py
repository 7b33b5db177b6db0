"""`embedContent`, `batchEmbedContents` and the model list; knows no hub type.

Source: https://ai.google.dev/api/embeddings and https://ai.google.dev/api/models.
"""

from msgspec import UNSET, Raw, UnsetType

from schemas.google.request import Content, GoogleRequestStruct
from schemas.google.response import GoogleResponseStruct


class EmbedContentRequest(GoogleRequestStruct, frozen=True, kw_only=True):
    """One text; `model` is `models/...` and repeats the URL's."""

    model: str
    content: Content
    output_dimensionality: int | None = None


class BatchEmbedContentsRequest(GoogleRequestStruct, frozen=True, kw_only=True):
    """Up to 100 texts for one model."""

    requests: list[EmbedContentRequest]


class ContentEmbedding(GoogleResponseStruct, frozen=True, kw_only=True):
    """One vector."""

    values: list[float]


class EmbedContentResponse(GoogleResponseStruct, frozen=True, kw_only=True):
    """The answer to one text (`embedding`) or to a batch (`embeddings`, in order)."""

    embedding: ContentEmbedding | None = None
    embeddings: list[ContentEmbedding] | None = None
    usage_metadata: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class ListedModel(GoogleResponseStruct, frozen=True, kw_only=True):
    """`name` is `models/...`."""

    name: str
    supported_generation_methods: list[str] | None = None


class ListModelsResponse(GoogleResponseStruct, frozen=True, kw_only=True):
    """One page of the model list; `next_page_token` is absent on the last."""

    models: list[ListedModel] | None = None
    next_page_token: str | None = None
