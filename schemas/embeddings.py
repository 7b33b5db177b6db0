"""Embeddings as OpenAI has them; knows no provider.

Source: https://platform.openai.com/docs/api-reference/embeddings. Conventions as in `chat_request` and `chat_response`.
"""

from typing import Literal

from schemas.chat_request import RequestStruct
from schemas.chat_response import ResponseStruct


class EmbeddingRequest(RequestStruct, frozen=True, kw_only=True):
    """One request. `input` is text, several texts, tokens or several token lists."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class Embedding(ResponseStruct, kw_only=True):
    """`embedding` is a list of floats, or base64 of little-endian float32 where the client asked for it."""

    embedding: list[float] | str
    index: int
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(ResponseStruct, kw_only=True):
    """Tokens of the whole request."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingResponse(ResponseStruct, kw_only=True):
    """The vectors in the order of the inputs."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"
