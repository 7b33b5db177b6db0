"""Unknown fields that would choose models, addresses, credentials or an answer's length never reach a server."""

import msgspec
import pytest
from msgspec import Raw

from adapters.base import Call, Deployment
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.completions import to_completion_body
from adapters.openai.embeddings import to_embedding_body
from adapters.openai.request import to_chat_body
from adapters.openai_compatible.quirks import ROWS
from schemas.chat_request import ChatRequest, UserMessage
from schemas.completions import CompletionRequest
from schemas.embeddings import EmbeddingRequest

STEERING = (
    "models", "route", "provider", "providers", "fallbacks", "plugins", "transforms", "preset", "api_base", "base_url",
    "api_key", "api_version", "api_type", "extra_headers", "extra_body", "extra_query", "headers", "mock_response",
    "model_list", "deployment_id", "custom_llm_provider", "litellm_metadata", "litellm_params", "user_api_key_hash",
    "azure_ad_token", "aws_session_token", "aws_region_name", "vertex_project", "vertex_credentials",
    "Model", "apiBase", "API-KEY", "n_predict", "max_new_tokens", "max_output_tokens", "n_cmpl",
)  # fmt: skip
HARMLESS = ("min_p", "repetition_penalty", "guided_json", "chat_template_kwargs")


def call_of(policy: str = "forward", *names: str) -> Call:
    deployment = Deployment(
        id="d", model="public", provider="p", adapter="openai_compatible", upstream_model="up", extra_params=policy
    )
    extra = {name: Raw(b'"http://attacker.example"') for name in names}
    return Call(deployment=deployment, request_id="r", deadline=1e9, extra_params=extra)


def bodies(call: Call, quirks: str) -> list[tuple[dict, tuple[str, ...]]]:
    """What each operation sends, and what it says it dropped."""
    row = ROWS[quirks]
    chat = ChatRequest(model="public", messages=[UserMessage(content="Hi")])
    completion = CompletionRequest(model="public", prompt="p")
    sent = [
        to_chat_body(chat, call, row, stream=False),
        to_chat_body(chat, call, row, stream=True),
        to_completion_body(completion, call, row, stream=False),
        to_embedding_body(EmbeddingRequest(model="public", input="a"), call, row),
    ]
    return [(msgspec.json.decode(body), dropped) for body, dropped in sent]


@pytest.mark.parametrize("quirks", ["default", "openrouter", "vllm"])
def test_extra_params_that_steer_are_dropped_and_named_even_when_forwarding(quirks: str) -> None:
    for body, dropped in bodies(call_of("forward", *STEERING, *HARMLESS), quirks):
        assert body["model"] == "up"
        assert not body.keys() & set(STEERING)
        assert body.keys() >= set(HARMLESS)
        assert set(dropped) == set(STEERING)


@pytest.mark.parametrize("name", STEERING)
def test_extra_params_that_steer_are_refused_under_reject(name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(call_of("reject", name), "default")
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, name)
