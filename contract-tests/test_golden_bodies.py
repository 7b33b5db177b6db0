"""Every body that the golden files hold keeps the rules of the mock that plays its provider.

The mocks' rules come from the SDKs' types and from recorded 400s, and know nothing of the adapters.
"""

import json
from pathlib import Path

import pytest
from upstreams import Anthropic, Bedrock, Cohere, Dialect, Google, Mistral, Ollama, OpenAI, OpenRouter
from upstreams.dialects.base import Call, RefusedError
from upstreams.wire import Request

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "adapters" / "golden" / "requests"
# dialect of the golden files: mock, API, path
PROVIDERS: dict[str, tuple[Dialect, str, str]] = {
    "openai": (OpenAI(), "chat.completions", "/v1/chat/completions"),
    "vllm": (OpenAI(extra_fields=None), "chat.completions", "/v1/chat/completions"),
    "anthropic": (Anthropic(alternating=True), "messages", "/v1/messages"),
    "google": (Google(), "generateContent", "/v1beta/models/gemini-3.5-flash:generateContent"),
    "bedrock": (Bedrock(), "converse", "/model/m/converse"),
    "bedrock_nova": (Bedrock(), "converse", "/model/m/converse"),
    "cohere": (Cohere(), "cohere.v2.chat", "/v2/chat"),
    "mistral": (Mistral(), "chat.completions", "/v1/chat/completions"),
    "openrouter": (OpenRouter(), "chat.completions", "/api/v1/chat/completions"),
    "ollama": (Ollama(), "ollama.chat", "/api/chat"),
}


REFUSED = {
    "mistral": {"media_image_that_an_answer_made"},  # its types take the image
}


def refusal(dialect: Dialect, call: Call) -> str | None:
    try:
        dialect.check(call)
    except RefusedError as error:
        return str(error)
    return None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_golden_body_keeps_the_providers_rules(provider: str) -> None:
    dialect, api, path = PROVIDERS[provider]
    refused: dict[str, str] = {}
    count = 0
    for file in sorted(GOLDEN.glob("*.json")):
        body = json.loads(file.read_text("utf-8"))[provider].get("body")
        if body is None:
            continue
        count += 1
        request = Request("POST", path, (("content-type", "application/json"),), json.dumps(body).encode(), 1)
        said = refusal(dialect, Call(api, str(body.get("model", "m")), False, body, request))
        if said is not None:
            refused[file.stem] = said
    assert {case: said for case, said in refused.items() if case not in REFUSED.get(provider, ())} == {}
    assert REFUSED.get(provider, set()) <= set(refused)
    assert count >= 50
