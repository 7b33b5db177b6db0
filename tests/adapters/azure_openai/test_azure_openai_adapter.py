"""Azure's URL forms, API versions and credentials."""

import msgspec
import pytest

from adapters.azure_openai import AzureOpenAIAdapter
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest, UserMessage

RESOURCE = "https://r.openai.example"
CHAT = ChatRequest(model="public", messages=[UserMessage(content="Hi")], max_tokens=5)
FILTER = {"hate": {"filtered": False, "severity": "safe"}}
ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "choices": [
            {"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop", "content_filter_results": FILTER}
        ],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTER}],
    }
)


def call_of(**fields: object) -> Call:
    deployment = {
        "id": "d",
        "model": "public",
        "provider": "p",
        "adapter": "azure_openai",
        "upstream_model": "gpt-4o",
        "base_url": RESOURCE,
        "credential": Secret("canary"),
        **fields,
    }
    return Call(deployment=Deployment(**deployment), request_id="r", deadline=1e9)


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        (RESOURCE, {}, f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
        (
            f"{RESOURCE}/openai/",
            {"api_version": "2025-01-01-preview"},
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview",
        ),
        (f"{RESOURCE}/openai/v1", {}, f"{RESOURCE}/openai/v1/chat/completions"),
        (
            f"{RESOURCE}/openai/v1",
            {"api_version": "a&b"},
            f"{RESOURCE}/openai/v1/chat/completions?api-version=a%26b",
        ),
        (f"{RESOURCE}/models", {}, f"{RESOURCE}/models/chat/completions?api-version=2024-10-21"),
        ("http://127.0.0.1:1/proxy/x", {}, None),
    ],
)
async def test_azure_url_follows_the_form_of_the_base_url(base_url: str, options: dict, url: str | None) -> None:
    transport = PlayedTransport(Played([ANSWER]))
    await AzureOpenAIAdapter(transport).chat(CHAT, call_of(base_url=base_url, options=options))
    expected = url or f"{base_url}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    assert transport.requests[0].url == expected


@pytest.mark.parametrize(
    ("model", "segment"), [("a/b", "a%2Fb"), ("a?x=1#y", "a%3Fx%3D1%23y"), ("ü", "%C3%BC"), ("../../x", "..%2F..%2Fx")]
)
async def test_azure_deployment_name_stays_one_path_segment(model: str, segment: str) -> None:
    """Trap 24: names of wildcard models come from clients."""
    transport = PlayedTransport(Played([ANSWER]))
    await AzureOpenAIAdapter(transport).chat(CHAT, call_of(upstream_model=model))
    assert f"/deployments/{segment}/chat/" in transport.requests[0].url


@pytest.mark.parametrize("fields", [{"upstream_model": ".."}, {"upstream_model": ""}, {"base_url": ""}])
async def test_azure_impossible_names_send_nothing(fields: dict) -> None:
    transport = PlayedTransport(Played([ANSWER]))
    with pytest.raises(ProviderError) as raised:
        await AzureOpenAIAdapter(transport).chat(CHAT, call_of(**fields))
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert transport.requests == []


@pytest.mark.parametrize(
    ("options", "header"),
    [({}, (b"api-key", b"canary")), ({"auth": "bearer"}, (b"authorization", b"Bearer canary"))],
)
async def test_azure_credential_is_a_key_or_a_token(options: dict, header: tuple[bytes, bytes]) -> None:
    transport = PlayedTransport(Played([b'{"data":[{"id":"a"}]}']))
    assert await AzureOpenAIAdapter(transport).list_models(call_of(options=options)) == ("a",)
    assert header in transport.requests[0].headers
    assert transport.requests[0].url == f"{RESOURCE}/openai/models?api-version=2024-10-21"


async def test_azure_filter_annotations_are_kept_and_the_bound_keeps_its_name() -> None:
    transport = PlayedTransport(Played([ANSWER]))
    result = await AzureOpenAIAdapter(transport).chat(CHAT, call_of())
    body = msgspec.json.decode(msgspec.json.encode(result.body))
    assert body["choices"][0]["content_filter_results"] == FILTER
    assert body["prompt_filter_results"][0]["content_filter_results"] == FILTER
    assert msgspec.json.decode(transport.requests[0].body)["max_tokens"] == 5


@pytest.mark.parametrize("status", [400, 200])
async def test_azure_content_filter_is_a_content_policy_error_also_under_status_200(status: int) -> None:
    """Trap 19."""
    error = {
        "message": "The response was filtered.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTER},
    }
    adapter = AzureOpenAIAdapter(PlayedTransport(Played([msgspec.json.encode({"error": error})], status=status)))
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(CHAT, call_of())
    assert (raised.value.kind, raised.value.param) == (ErrorKind.CONTENT_POLICY, "prompt")
