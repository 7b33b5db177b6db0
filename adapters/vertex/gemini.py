"""Gemini on Vertex AI: what differs from the Gemini API; knows no credential.

Source: the discovery document of aiplatform v1 and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and .../docs/priority-paygo, checked
2026-11-24. The service tier travels in a header; functions beside Google's own tools are not declared; a file needs its
media type; addresses of the web are read by Google itself, unless the option `fetch_urls` is `false`.
"""

from typing import Final

from msgspec.structs import replace
from typing_extensions import override

from adapters.base import Call, ChunkStream, Result
from adapters.google import GoogleAdapter
from adapters.google.errors import to_error
from adapters.google.models import ModelFacts, facts_of
from adapters.transport import Transport, UpstreamResponse
from adapters.vertex.sender import Sender
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

TIER_HEADER: Final = "x-vertex-ai-llm-shared-request-type"


class GeminiOnVertex(GoogleAdapter):
    """Chat with Gemini; embeddings are another API here (`adapters.vertex.embeddings`)."""

    def __init__(self, transport: Transport, sender: Sender) -> None:
        super().__init__(transport)
        self._sender = sender

    @override
    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        return await super().chat(*_with_tier(request, call))

    @override
    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        return await super().chat_stream(*_with_tier(request, call))

    @override
    def facts(self, call: Call) -> ModelFacts:
        options = call.deployment.options
        return replace(
            facts_of(call.deployment.upstream_model, options),
            reads_web="none" if options.get("fetch_urls") == "false" else "all",
            service_tiers=False,
            declares_mixed_tools=False,
            needs_media_types=True,
            penalties=True,
        )

    @override
    async def post(self, method: str, body: bytes, call: Call) -> UpstreamResponse:
        return await self._sender.post(method, body, call, call.deployment.headers, to_error)


def _with_tier(request: ChatRequest, call: Call) -> tuple[ChatRequest, Call]:
    """Move a tier that Google sells from the request to the headers; the operator's own header wins."""
    tier = request.service_tier
    if tier not in {"flex", "priority"}:
        return request, call
    deployment = call.deployment
    headers = {name.lower(): value for name, value in deployment.headers.items()}
    adjusted = replace(deployment, headers={TIER_HEADER: tier, **headers})
    return replace(request, service_tier=None), replace(call, deployment=adjusted)
