"""OpenRouter over HTTP: its routing and its errors; the rest is `adapters.openai`.

Source: https://openrouter.ai/docs/api-reference/overview, checked 2026-11-26.
"""

import time
from collections.abc import Sequence

from typing_extensions import override

from adapters.base import Call, Result
from adapters.errors import ProviderError
from adapters.exchange import Failure, Translator
from adapters.openai import RerankingAdapter
from adapters.openai.quirks import Quirks
from adapters.openai.request import to_chat_body
from adapters.openai.stream import ChunkTranslator
from adapters.openrouter.errors import to_error, to_error_inside
from adapters.openrouter.quirks import OPENROUTER
from adapters.openrouter.request import routing_of
from adapters.sse import Event
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk


class RoutedChunkTranslator(ChunkTranslator):
    """See `adapters.exchange.Translator`; an error inside the stream has OpenRouter's form."""

    @override
    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        try:
            return super().feed(event)
        except ProviderError as error:
            raise to_error_inside(event.data, error) from None


class OpenRouterAdapter(RerankingAdapter):
    """OpenRouter, which is asked for a model by `vendor/model` and chooses who serves it."""

    @override
    def quirks(self, call: Call) -> Quirks:
        return OPENROUTER

    @override
    def chat_body(self, request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        return to_chat_body(request, call, OPENROUTER, stream=stream, added=routing_of(call.deployment))

    @override
    def to_result(self, answer: bytes, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        try:
            return super().to_result(answer, request, call)
        except ProviderError as error:
            raise to_error_inside(answer, error) from None

    @override
    def translator(self, request: ChatRequest, call: Call) -> Translator[ChatCompletionChunk]:
        return RoutedChunkTranslator(
            model=request.model, chunk_id=f"chatcmpl-{call.request_id}", created=int(time.time())
        )

    @override
    def to_error(self, failure: Failure) -> ProviderError:
        return to_error(failure)
