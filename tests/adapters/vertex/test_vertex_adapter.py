"""URLs, bodies and errors of Gemini and Claude on Vertex AI."""

import json

import msgspec
import pydantic
import pytest
from anthropic.types import MessageCreateParams

from adapters import registry
from adapters.errors import ProviderError
from adapters.transport import Request
from adapters.vertex import VertexAdapter
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI, Scripted, call_of, deployment, request

HOST = "https://aiplatform.googleapis.com/v1/projects/acme/locations/global"
EAST = "https://us-east5-aiplatform.googleapis.com/v1/projects/acme/locations/us-east5"
REP = "https://aiplatform.eu.rep.googleapis.com/v1/projects/acme/locations/eu"
PROXY = "https://proxy.example/google/v1beta1/projects/acme/locations/global"
SONNET = "claude-sonnet-4-5@20250929"
IMAGE = {"type": "image_url", "image_url": {"url": "https://pictures.example/ulm"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}


def google_error(status: str) -> dict:
    return {"error": {"message": "m", "status": status}}


async def chatted(model: str, *, extra=None, wanted=None, **fields) -> Request:
    transport = Scripted(CLAUDE if "claude" in model else GEMINI)
    call = call_of(deployment(model, **fields), extra_params=extra or {})
    result = await VertexAdapter(transport).chat(request(**(wanted or {})), call)
    assert result.body.choices[0].message.content == "Sunny."
    assert result.usage.prompt_tokens == 9
    assert transport.all_released
    return transport.requests[0]


async def dropped_of(model: str, **wanted) -> tuple[str, ...]:
    transport = Scripted(CLAUDE if "claude" in model else GEMINI)
    return (await VertexAdapter(transport).chat(request(**wanted), call_of(deployment(model)))).dropped_params


@pytest.mark.parametrize(
    ("model", "fields", "url"),
    [
        ("gemini-3.5-flash", {}, f"{HOST}/publishers/google/models/gemini-3.5-flash:generateContent"),
        ("google/gemini-3.5-flash", {}, f"{HOST}/publishers/google/models/gemini-3.5-flash:generateContent"),
        ("publishers/google/models/gemma-4", {}, f"{HOST}/publishers/google/models/gemma-4:generateContent"),
        ("endpoints/4711", {}, f"{HOST}/endpoints/4711:generateContent"),
        (SONNET, {}, f"{HOST}/publishers/anthropic/models/{SONNET}:rawPredict"),
        (
            SONNET,
            {"options": {"project": "acme", "location": "us-east5"}},
            f"{EAST}/publishers/anthropic/models/{SONNET}:rawPredict",
        ),
        (
            "gemini-3.5-flash",
            {"options": {"project": "acme", "location": "eu"}},
            f"{REP}/publishers/google/models/gemini-3.5-flash:generateContent",
        ),
        (
            "gemini-3.5-flash",
            {"base_url": "https://proxy.example/google/v1beta1"},
            f"{PROXY}/publishers/google/models/gemini-3.5-flash:generateContent",
        ),
    ],
)
async def test_adapter_url_names_project_location_publisher_and_model(model: str, fields: dict, url: str) -> None:
    sent = await chatted(model, **fields)
    assert (sent.method, sent.url) == ("POST", url)
    assert (b"authorization", b"Bearer ya29.canary-0123456789") in sent.headers
    assert "canary" not in sent.url
    assert b"canary" not in sent.body


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("..", {"project": "acme"}),
        ("gemini/../x", {"project": "acme"}),
        ("gemini-3:predict?x=1#", {"project": "acme"}),
        ("endpoints/../models/x", {"project": "acme"}),
        ("", {"project": "acme"}),
        ("meta/llama-4", {"project": "acme"}),
        ("gemini-3.5-flash", {}),
        ("gemini-3.5-flash", {"project": "a/../b"}),
        ("gemini-3.5-flash", {"project": "acme", "location": "evil.example/"}),
        ("gemini-3.5-flash", {"project": "acme", "location": "US-EAST5"}),
    ],
)
async def test_adapter_name_that_fits_no_url_is_refused_unsent(model: str, options: dict) -> None:
    transport = Scripted()
    with pytest.raises(ProviderError) as caught:
        await VertexAdapter(transport).chat(request(), call_of(deployment(model, options=options)))
    assert caught.value.kind == "model_not_found"
    assert transport.requests == []


async def test_claude_body_has_the_platforms_version_and_no_model() -> None:
    sent = await chatted(SONNET, headers={"Anthropic-Beta": "context-1m-2025-08-07"}, wanted={"max_tokens": 9})
    body = json.loads(sent.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body["max_tokens"] == 9
    assert "model" not in body
    assert "stream" not in body
    assert (b"anthropic-beta", b"context-1m-2025-08-07") in sent.headers
    assert not {name for name, _ in sent.headers} & {b"x-api-key", b"anthropic-version"}
    del body["anthropic_version"]
    pydantic.TypeAdapter(MessageCreateParams).validate_python({**body, "model": SONNET})


async def test_claude_version_cannot_be_replaced_by_a_forwarded_field() -> None:
    extra = {"anthropic_version": msgspec.Raw(b'"x"'), "container": msgspec.Raw(b'"c"')}
    body = json.loads((await chatted(SONNET, extra_params="forward", extra=extra)).body)
    assert (body["anthropic_version"], body["container"]) == ("vertex-2023-10-16", "c")


@pytest.mark.parametrize(("options", "is_native"), [({}, False), ({"structured_outputs": "true"}, True)])
async def test_claude_structured_output_is_native_only_where_the_operator_says_so(
    options: dict, is_native: bool
) -> None:
    transport = Scripted({**CLAUDE, "content": [{"type": "text", "text": '{"a":1}'}]})
    of = deployment(SONNET, options={"project": "acme", **options})
    await VertexAdapter(transport).chat(request(response_format=FORM), call_of(of))
    body = json.loads(transport.requests[0].body)
    assert ("format" in body.get("output_config", {})) is is_native
    assert ("tools" in body) is not is_native


async def test_claude_service_tier_is_dropped_and_named() -> None:
    assert await dropped_of(SONNET, service_tier="priority") == ("service_tier",)
    assert await dropped_of(SONNET, service_tier="default") == ()
    assert b"service" not in (await chatted(SONNET, wanted={"service_tier": "default"})).body
    with pytest.raises(ProviderError) as caught:
        await chatted(SONNET, extra_params="reject", wanted={"service_tier": "priority"})
    assert caught.value.kind == "unsupported_parameter"


async def test_gemini_service_tier_travels_in_a_header() -> None:
    for tier in ("flex", "priority"):
        sent = await chatted("gemini-3.5-flash", wanted={"service_tier": tier})
        assert (b"x-vertex-ai-llm-shared-request-type", tier.encode()) in sent.headers
        assert b"service" not in sent.body
        assert await dropped_of("gemini-3.5-flash", service_tier=tier) == ()
    own = {"X-Vertex-AI-LLM-Shared-Request-Type": "flex"}
    sent = await chatted("gemini-3.5-flash", headers=own, wanted={"service_tier": "priority"})
    assert [value for name, value in sent.headers if name.startswith(b"x-vertex")] == [b"flex"]
    assert await dropped_of("gemini-3.5-flash", service_tier="default") == ()
    assert await dropped_of("gemini-3.5-flash", service_tier="scale") == ("service_tier",)


async def test_gemini_files_travel_by_address_with_their_media_type() -> None:
    parts = [
        IMAGE,
        {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
        {"type": "file", "file": {"file_id": "gs://bucket/a.wav"}},
    ]
    messages = [{"role": "user", "content": parts}]
    body = json.loads((await chatted("gemini-3.5-flash", wanted={"messages": messages})).body)
    assert [part["fileData"] for part in body["contents"][0]["parts"]] == [
        {"fileUri": "https://pictures.example/ulm", "mimeType": "image/jpeg"},
        {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"},
        {"fileUri": "gs://bucket/a.wav", "mimeType": "audio/wav"},
    ]
    options = {"project": "acme", "fetch_urls": "false"}
    with pytest.raises(ProviderError) as caught:
        await chatted("gemini-3.5-flash", options=options, wanted={"messages": messages})
    assert caught.value.param == "messages[0].content[0].image_url.url"


async def test_gemini_functions_beside_search_are_not_declared() -> None:
    body = json.loads((await chatted("gemini-3.5-flash", wanted={"tools": [TOOL], "web_search_options": {}})).body)
    assert len(body["tools"]) == 2
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("model", "status", "body", "kind"),
    [
        ("gemini-3.5-flash", 429, google_error("RESOURCE_EXHAUSTED"), "rate_limit"),
        (SONNET, 429, google_error("RESOURCE_EXHAUSTED"), "rate_limit"),
        (SONNET, 403, [google_error("PERMISSION_DENIED")], "credentials"),
        (SONNET, 404, google_error("NOT_FOUND"), "model_not_found"),
        (SONNET, 529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded"),
        (
            SONNET,
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}},
            "context_length",
        ),
        (SONNET, 502, b"<html>", "server_error"),
        (SONNET, 400, b"", "invalid_request"),
    ],
)
async def test_error_in_either_form_has_its_kind(model: str, status: int, body: object, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await VertexAdapter(Scripted((status, body))).chat(request(), call_of(deployment(model)))
    assert (caught.value.kind, caught.value.status) == (kind, status)


async def test_model_armor_block_is_a_refusal() -> None:
    block = {"blockReason": "MODEL_ARMOR", "blockReasonMessage": "The prompt violated filters."}
    transport = Scripted({"promptFeedback": block, "usageMetadata": {"trafficType": "ON_DEMAND"}})
    result = await VertexAdapter(transport).chat(request(), call_of(deployment()))
    choice = result.body.choices[0]
    assert (choice.finish_reason, choice.message.refusal) == ("content_filter", "The prompt violated filters.")


def test_registry_offers_chat_and_embeddings() -> None:
    assert registry.operations(registry.adapter_class("vertex")) == {"chat", "embeddings"}
