"""Reranking, which OpenAI does not have, in the form that Cohere, Jina, vLLM and others share; knows no provider.

Source: https://docs.cohere.com/v2/reference/rerank. Conventions as in `chat_request` and `chat_response`.
"""

from msgspec import UNSET, Struct, UnsetType

from schemas.chat_request import RequestStruct
from schemas.chat_response import ResponseStruct


class RerankDocument(RequestStruct, frozen=True, kw_only=True):
    """A document as an object."""

    text: str


class RerankRequest(RequestStruct, frozen=True, kw_only=True):
    """One request. `documents` are put in order by how well they answer `query`; `top_n` is how many come back."""

    model: str
    query: str
    documents: list[str | RerankDocument]
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    user: str | None = None


class RankedText(Struct, kw_only=True):
    """A document that comes back."""

    text: str


class RerankResult(ResponseStruct, kw_only=True, omit_defaults=True):
    """`index` is the document's place in the request, `relevance_score` higher for the better ones."""

    index: int
    relevance_score: float
    document: RankedText | UnsetType = UNSET


class RerankUsage(ResponseStruct, kw_only=True):
    """Tokens of the whole request, where the provider counts them."""

    prompt_tokens: int
    total_tokens: int


class BilledUnits(ResponseStruct, kw_only=True):
    """What Cohere charges for: up to 100 documents are one unit."""

    search_units: int


class RerankMeta(ResponseStruct, kw_only=True):
    """Facts beside the results, as Cohere's clients look for them."""

    billed_units: BilledUnits


class RerankResponse(ResponseStruct, kw_only=True, omit_defaults=True):
    """The documents, best first."""

    id: str
    model: str
    results: list[RerankResult]
    usage: RerankUsage | UnsetType = UNSET
    meta: RerankMeta | UnsetType = UNSET
