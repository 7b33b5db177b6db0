"""Reranking of OpenAI-format servers, which have taken it over from Jina and Cohere: `/rerank`; knows no HTTP.

Source: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and https://docs.jina.ai, checked
2026-11-26. Results stand in `results`, or in `data` (Voyage); usage often has a total alone.
"""

from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.base import Call, Losses, Result
from adapters.errors import UNREADABLE, bad_response
from adapters.extra_params import forwardable
from adapters.openai import parts
from adapters.openai.errors import to_error_inside
from adapters.openai.request import encode_body
from adapters.openai.usage import to_usage
from adapters.rerank import Facts, Scored, to_rerank_response, to_texts
from schemas.openai import WireRerank, WireRerankBody, WireTotal
from schemas.rerank import RerankRequest, RerankResponse
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(WireRerank)
_TOTAL: Final = msgspec.json.Decoder(WireTotal)


def to_rerank_body(request: RerankRequest, call: Call) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped."""
    losses = Losses(call.deployment.extra_params)
    extra = forwardable(call, losses)
    if request.max_tokens_per_doc is not None:
        losses.drop("max_tokens_per_doc")
    body = WireRerankBody(
        model=call.deployment.upstream_model,
        query=request.query,
        documents=to_texts(request, losses),
        top_n=request.top_n,
    )
    return encode_body(body, extra), losses.dropped


def to_rerank_result(
    body: bytes, request: RerankRequest, call: Call, dropped: tuple[str, ...]
) -> Result[RerankResponse]:
    """Return the scores; raises `ProviderError` for an error in their place or what is no answer."""
    try:
        answer = _DECODER.decode(body)
    except UNREADABLE:
        raise bad_response() from None
    if parts.is_given(answer.error):
        raise to_error_inside(body)
    usage = _usage(answer.usage)
    scores = [Scored(one.index, one.relevance_score) for one in answer.results or answer.data or ()]
    return Result(
        body=to_rerank_response(scores, request, Facts(answer.id or f"rerank-{call.request_id}", usage)),
        usage=usage,
        upstream_id=answer.id or None,
        upstream_model=answer.model or None,
        dropped_params=dropped,
    )


def _usage(raw: Raw | UnsetType) -> Usage:
    """Return the counters; a total without parts is the prompt's, because there is no other text."""
    if isinstance(raw, UnsetType):
        return Usage()
    usage = to_usage(raw)
    if usage is not None:
        return usage
    try:
        total = _TOTAL.decode(bytes(raw)).total_tokens
    except UNREADABLE:
        return Usage()
    return Usage(prompt_tokens=total, raw=raw.copy())
