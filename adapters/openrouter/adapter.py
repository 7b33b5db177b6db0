"""OpenRouter over HTTP: its routing and its errors; the rest is `adapters.openai`.

Source: https://openrouter.ai/docs/api-reference/overview, checked 2026-11-26.
"""

from typing_extensions import override

from adapters.base import Call
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.openai import RerankingAdapter
from adapters.openai.quirks import Quirks
from adapters.openai.request import to_chat_body
from adapters.openrouter.errors import to_error
from adapters.openrouter.quirks import OPENROUTER
from adapters.openrouter.request import routing_of
from schemas.chat_request import ChatRequest


class OpenRouterAdapter(RerankingAdapter):
    """OpenRouter, which is asked for a model by `vendor/model` and chooses who serves it."""

    @override
    def quirks(self, call: Call) -> Quirks:
        return OPENROUTER

    @override
    def chat_body(self, request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        return to_chat_body(request, call, OPENROUTER, stream=stream, added=routing_of(call.deployment))

    @override
    def to_error(self, failure: Failure) -> ProviderError:
        return to_error(failure)
