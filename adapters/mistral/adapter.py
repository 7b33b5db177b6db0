"""Mistral's API over HTTP: which translators read and write it; the rest is `adapters.openai`.

Source: https://docs.mistral.ai/api/, checked 2026-11-26. Operations: chat, embeddings, model discovery.
"""

import time

from typing_extensions import override

from adapters.base import Call, Result
from adapters.errors import ProviderError
from adapters.exchange import Failure, Translator
from adapters.mistral.errors import to_error
from adapters.mistral.quirks import MISTRAL
from adapters.mistral.references import to_sources
from adapters.mistral.request import to_mistral_body
from adapters.mistral.response import annotate
from adapters.mistral.stream import MistralChunkTranslator
from adapters.openai import OpenAIFormatAdapter
from adapters.openai.quirks import Quirks
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk


class MistralAdapter(OpenAIFormatAdapter):
    """Mistral's platform, and servers that speak its dialect at the operator's base URL."""

    @override
    def quirks(self, call: Call) -> Quirks:
        return MISTRAL

    @override
    def chat_body(self, request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        return to_mistral_body(request, call, stream=stream)

    @override
    def to_result(self, answer: bytes, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        return annotate(super().to_result(answer, request, call), answer, to_sources(request.messages))

    @override
    def translator(self, request: ChatRequest, call: Call) -> Translator[ChatCompletionChunk]:
        return MistralChunkTranslator(
            model=request.model,
            chunk_id=f"chatcmpl-{call.request_id}",
            created=int(time.time()),
            sources=to_sources(request.messages),
        )

    @override
    def to_error(self, failure: Failure) -> ProviderError:
        return to_error(failure)
