"""What each dialect is sent for a request, with everything between the adapter and the wire; no test of its own."""

import json
from collections.abc import Mapping

import msgspec

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError
from schemas.chat_request import ChatRequest
from tests.adapters.provider_types import ACCEPT, accept
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI

CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Sunny."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
}
COHERE = {
    "id": "c",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Sunny."}]},
    "usage": {"tokens": {"input_tokens": 9, "output_tokens": 2}},
}
OLLAMA = {
    "model": "m",
    "message": {"role": "assistant", "content": "Sunny."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 9,
    "eval_count": 2,
}
OPENAI = {
    "id": "x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sunny."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
# name: adapter, model, further fields of the deployment, an answer
DIALECTS: dict[str, tuple[str, str, Mapping[str, object], object]] = {
    "openai": ("openai", "gpt-5", {}, OPENAI),
    "vllm": ("openai_compatible", "qwen3", {"quirks": "vllm", "base_url": "https://c.example/v1"}, OPENAI),
    "deepseek": ("openai_compatible", "deepseek-chat", {"quirks": "deepseek"}, OPENAI),
    "openrouter": ("openrouter", "z-ai/glm-4.6", {}, OPENAI),
    "mistral": ("mistral", "mistral-large-latest", {}, OPENAI),
    "ollama": ("ollama", "qwen3", {}, OLLAMA),
    "anthropic": ("anthropic", "claude-sonnet-4-5", {}, CLAUDE),
    "google": ("google", "gemini-3.5-flash", {}, GEMINI),
    "bedrock": ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", {"options": {"region": "us-east-1"}}, CONVERSE),
    "bedrock_nova": ("bedrock", "amazon.nova-pro-v1:0", {"options": {"region": "us-east-1"}}, CONVERSE),
    "cohere": ("cohere", "command-a-03-2025", {}, COHERE),
}


class Sent(msgspec.Struct, frozen=True):
    """A body as the provider reads it, and the request fields that are named as dropped or changed."""

    body: dict
    dropped: tuple[str, ...]


def asked(dialect: str, document: Mapping[str, object], answer: bytes) -> tuple[SupportsChat, ChatRequest, Call]:
    """An adapter whose provider gives one answer, and a request in OpenAI's format for it."""
    adapter_type, model, changes, _ = DIALECTS[dialect]
    base = {"id": "d", "model": "public", "provider": "p", "adapter": adapter_type, "upstream_model": model}
    base |= {"credential": Secret("AKIDEXAMPLE:wJalrXUtnFEMI"), "max_output_tokens": 8192}
    request = msgspec.json.decode(json.dumps({"model": "public", **document}), type=ChatRequest)
    media = "text/event-stream" if answer.startswith((b"data:", b"event:")) else "application/json"
    adapter = registry.build(adapter_type, PlayedTransport(Played([answer], headers={"content-type": media})))
    assert isinstance(adapter, SupportsChat)
    return adapter, request, Call(deployment=Deployment(**{**base, **changes}), request_id="r", deadline=1e12)


async def sent(dialect: str, document: Mapping[str, object]) -> Sent:
    """What is sent for a request in OpenAI's format; raises `ProviderError` where it is refused."""
    adapter, request, call = asked(dialect, document, json.dumps(DIALECTS[dialect][3]).encode())
    result = await adapter.chat(request, call)
    transport = adapter._transport  # where every adapter of ours keeps the shared one
    body = json.loads(transport.requests[-1].body)
    if DIALECTS[dialect][0] in ACCEPT:
        accept(DIALECTS[dialect][0], body)
    return Sent(body, result.dropped_params)


async def sent_or_refused(dialect: str, document: Mapping[str, object]) -> Sent | ProviderError:
    """What is sent, or why nothing is."""
    try:
        return await sent(dialect, document)
    except ProviderError as error:
        return error
