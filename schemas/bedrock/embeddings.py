"""Bodies of `InvokeModel` for embedding models, which are each model's own; knows no hub type.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
.../model-parameters-embed-v3.html and .../model-parameters-embed-v4.html, checked 2026-11-27.
"""

from msgspec import Struct, field

from schemas.bedrock.request import WireStruct


class TitanRequest(WireStruct, frozen=True, kw_only=True):
    """One text. The first generation has no `dimensions`."""

    input_text: str
    dimensions: int | None = None


class CohereRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Up to 96 texts. The third generation has no `output_dimension`."""

    texts: list[str]
    input_type: str
    truncate: str | None = None
    output_dimension: int | None = None


class ByType(Struct, frozen=True, kw_only=True):
    """Vectors by the type of their numbers: how the fourth generation may answer without being asked."""

    floats: list[list[float]] | None = field(default=None, name="float")


class EmbeddingAnswer(Struct, frozen=True, kw_only=True):
    """The one vector of Titan with its tokens, or the vectors of Cohere."""

    embedding: list[float] | None = None
    tokens: int | None = field(default=None, name="inputTextTokenCount")
    embeddings: list[list[float]] | ByType | None = None
