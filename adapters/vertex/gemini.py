"""Gemini on Vertex AI: what differs from the Gemini API; knows no credential.

Source: the discovery document of aiplatform v1 and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, checked 2026-11-24. The service tier
travels in a header, which the operator can set; functions beside Google's own tools are not declared; a file needs its
media type; addresses of the web are read by Google itself, unless the option `fetch_urls` is `false`.
"""

from msgspec.structs import replace
from typing_extensions import override

from adapters.base import Call
from adapters.google import GoogleAdapter
from adapters.google.errors import to_error
from adapters.google.models import ModelFacts, facts_of
from adapters.transport import Transport, UpstreamResponse
from adapters.vertex.sender import Sender


class GeminiOnVertex(GoogleAdapter):
    """Chat with Gemini; embeddings are another API here (`adapters.vertex.embeddings`)."""

    def __init__(self, transport: Transport, sender: Sender) -> None:
        super().__init__(transport)
        self._sender = sender

    @override
    def facts(self, call: Call) -> ModelFacts:
        options = call.deployment.options
        return replace(
            facts_of(call.deployment.upstream_model, options),
            fetches_urls=options.get("fetch_urls") != "false",
            service_tiers=False,
            declares_mixed_tools=False,
            needs_media_types=True,
        )

    @override
    async def post(self, method: str, body: bytes, call: Call) -> UpstreamResponse:
        return await self._sender.post(method, body, call, call.deployment.headers, to_error)
