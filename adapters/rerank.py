"""Reranking as every provider of it has it: documents in, places and scores out; knows no provider.

What the client asked for beyond scores, the best `top_n` and the texts themselves, is done here, so that it is the same
whoever answers.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from adapters.base import Losses
from adapters.errors import bad_response
from schemas.rerank import BilledUnits, RankedText, RerankMeta, RerankRequest, RerankResponse, RerankResult, RerankUsage
from schemas.usage import Usage


class Scored(NamedTuple):
    """One document's place in the request and its score."""

    place: int
    score: float


class Facts(NamedTuple):
    """What an answer says beside its scores."""

    answer_id: str
    usage: Usage


def to_texts(request: RerankRequest, losses: Losses) -> list[str]:
    """Return the documents' texts; no provider takes `user`."""
    if request.user is not None:
        losses.drop("user")
    return [one if isinstance(one, str) else one.text for one in request.documents]


def to_rerank_response(scores: Sequence[Scored], request: RerankRequest, facts: Facts) -> RerankResponse:
    """Return the best documents first; raises `BAD_RESPONSE` for a document that nobody sent, or sent back twice."""
    count = len(request.documents)
    if any(not 0 <= one.place < count or not math.isfinite(one.score) for one in scores):
        raise bad_response()
    if len({one.place for one in scores}) < len(scores) or not scores:
        raise bad_response()
    best = sorted(scores, key=lambda one: -one.score)[: request.top_n]
    tokens, units = facts.usage.prompt_tokens, facts.usage.queries
    return RerankResponse(
        id=facts.answer_id,
        model=request.model,
        results=[_result(one, request) for one in best],
        usage=UNSET if tokens is None else RerankUsage(prompt_tokens=tokens, total_tokens=tokens),
        meta=UNSET if units is None else RerankMeta(billed_units=BilledUnits(search_units=units)),
    )


def _result(scored: Scored, request: RerankRequest) -> RerankResult:
    result = RerankResult(index=scored.place, relevance_score=scored.score)
    if request.return_documents:
        document = request.documents[scored.place]
        result.document = RankedText(text=document if isinstance(document, str) else document.text)
    return result
