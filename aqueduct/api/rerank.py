"""Reranking, as a value for the one pipeline; the form is Cohere's, because OpenAI has none."""

import math
from collections.abc import Callable
from typing import Final

from adapters.base import Call, Result, SupportsRerank
from aqueduct.dialects.decode import RequestDecoder
from aqueduct.errors import invalid_request
from aqueduct.limits.estimate import CHARS_PER_TOKEN
from aqueduct.pipeline.meter import text_chars
from aqueduct.pipeline.spec import OperationSpec, Units
from schemas.rerank import RerankRequest, RerankResponse
from schemas.usage import Usage

MAX_DOCUMENTS: Final = 10_000
UNIT_DOCUMENTS: Final = 100
"""Documents of one search unit; https://docs.cohere.com/docs/rerank-best-practices, checked 2026-11-27."""
CHUNK_TOKENS: Final = 500
"""A longer document, with the query, counts as several."""
DOCUMENT_TOKENS: Final = 4_096
"""Of a document no more is read, unless the request says otherwise."""


class StrictRerankRequest(RerankRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reranking request without unknown top-level fields."""


async def _call(adapter: object, request: RerankRequest, call: Call) -> Result[RerankResponse]:
    supporting: SupportsRerank = adapter  # type: ignore[assignment]  # the pipeline has checked the Protocol
    return await supporting.rerank(request, call)


def _finish_reason(body: RerankResponse) -> str | None:
    del body
    return None


def _prompt_chars(request: RerankRequest) -> int:
    """Return the characters that the model reads: the query with each document."""
    texts = sum(text_chars(one if isinstance(one, str) else one.text) for one in request.documents)
    return texts + text_chars(request.query) * len(request.documents)


def _units(request: RerankRequest) -> Units:
    """Return the search units at most: no text has more tokens than bytes."""
    return Units(queries=_search_units(request, lambda text: len(text.encode("utf-8", "replace"))))


def _taken(request: RerankRequest, max_seconds: int) -> Usage:
    """Return the search units by the estimate of tokens that all text has."""
    del max_seconds
    return Usage(queries=_search_units(request, lambda text: math.ceil(text_chars(text) / CHARS_PER_TOKEN)))


def _search_units(request: RerankRequest, tokens: Callable[[str], int]) -> int:
    room = max(CHUNK_TOKENS // 2, CHUNK_TOKENS - tokens(request.query))
    most = request.max_tokens_per_doc or DOCUMENT_TOKENS
    texts = (one if isinstance(one, str) else one.text for one in request.documents)
    chunks = sum(max(1, -(-min(tokens(text), most) // room)) for text in texts)
    return -(-chunks // UNIT_DOCUMENTS)


def _output_chars(body: RerankResponse) -> int:
    del body
    return 0


def _validate(request: RerankRequest) -> None:
    if not 1 <= len(request.documents) <= MAX_DOCUMENTS:
        message = f"'documents' must hold between 1 and {MAX_DOCUMENTS} texts."
        raise invalid_request("invalid_value", message, "documents")
    if not request.query:
        raise invalid_request("invalid_value", "'query' is empty; send the text to compare with.", "query")
    if request.top_n is not None and request.top_n < 1:
        raise invalid_request("invalid_value", "'top_n' must be at least 1.", "top_n")


RERANK: Final = OperationSpec[RerankRequest, RerankResponse, RerankResponse](
    name="rerank",
    path="/rerank",
    summary="Put documents in order by how well they answer a query",
    supports=SupportsRerank,
    request_type=RerankRequest,
    body_type=RerankResponse,
    decoder=RequestDecoder(RerankRequest, StrictRerankRequest),
    call=_call,
    finish_reason=_finish_reason,
    prompt_chars=_prompt_chars,
    output_chars=_output_chars,
    units=_units,
    taken=_taken,
    validate=_validate,
)
