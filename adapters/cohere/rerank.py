"""Reranking requests and answers; knows no transport.

Source: https://docs.cohere.com/v2/reference/rerank, checked 2026-11-26. Tokens are not counted there: Cohere charges
search units.
"""

from typing import Final

import msgspec

from adapters.base import Call, Losses, Result
from adapters.cohere.errors import error_message, to_error_inside
from adapters.cohere.usage import to_usage
from adapters.errors import UNREADABLE, bad_response
from adapters.rerank import Facts, Scored, to_rerank_response, to_texts
from schemas import cohere as wire
from schemas.rerank import RerankRequest, RerankResponse
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(wire.RerankResponse)


def to_rerank_request(request: RerankRequest, call: Call, losses: Losses) -> wire.RerankRequest:
    """Return the body for `/v2/rerank`."""
    return wire.RerankRequest(
        model=call.deployment.upstream_model,
        query=request.query,
        documents=to_texts(request, losses),
        top_n=request.top_n,
        max_tokens_per_doc=request.max_tokens_per_doc,
    )


def to_result(body: bytes, request: RerankRequest, call: Call, dropped: tuple[str, ...]) -> Result[RerankResponse]:
    """Return the scores; raises `ProviderError` for an error in their place or what is no answer."""
    try:
        answer = _DECODER.decode(body)
        usage = to_usage(answer.meta) or Usage()
    except UNREADABLE:
        if (message := error_message(body)) is not None:
            raise to_error_inside(message) from None
        raise bad_response() from None
    facts = Facts(answer.id or f"rerank-{call.request_id}", usage)
    scores = [Scored(one.index, one.relevance_score) for one in answer.results]
    return Result(
        body=to_rerank_response(scores, request, facts), usage=usage, upstream_id=answer.id, dropped_params=dropped
    )
