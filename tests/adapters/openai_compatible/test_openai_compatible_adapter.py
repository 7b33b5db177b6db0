"""The rows of quirks: which body each server gets for the same request, and where it goes."""

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.openai_compatible import OpenAICompatibleAdapter
from adapters.openai_compatible.quirks import ROWS
from schemas.chat_request import ChatRequest

ANSWER = b'{"id":"a","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
LOCAL = {"default", "llamacpp", "ollama", "sglang", "vllm"}
SELF_HOSTED = {"default", "sglang", "vllm"}
CALL = {"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REQUEST = {
    "model": "public",
    "messages": [
        {"role": "developer", "content": "d"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral"}}],
            "name": "n",
        },
        {
            "role": "assistant",
            "tool_calls": [CALL],
            "reasoning_content": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
        },
        {"role": "tool", "tool_call_id": CALL["id"], "content": "r"},
    ],
    "max_completion_tokens": 9,
    "seed": 4,
    "store": True,
    "top_k": 5,
    "reasoning_effort": "max",
    "stream_options": {"include_usage": True},
}


def call_of(quirks: str, **fields: object) -> Call:
    deployment = {
        "id": "d",
        "model": "public",
        "provider": "p",
        "adapter": "openai_compatible",
        "upstream_model": "up",
        "quirks": quirks,
        "base_url": "http://127.0.0.1:1/v1",
        "credential": Secret("canary"),
        **fields,
    }
    return Call(deployment=Deployment(**deployment), request_id="r", deadline=1e9)


async def body_for(quirks: str, **fields: object) -> dict:
    transport = PlayedTransport(Played([b"data: [DONE]\n\n"]))
    request = msgspec.convert({**REQUEST, **fields}, ChatRequest)
    stream = await OpenAICompatibleAdapter(transport).chat_stream(request, call_of(quirks))
    await stream.aclose()
    return msgspec.json.decode(transport.requests[0].body)


PINNED = frozenset(
    {
        *("cerebras", "deepseek", "default", "groq", "llamacpp", "mistral", "ollama"),
        *("openrouter", "perplexity", "sglang", "together", "vllm", "xai"),
    }
)
"""Rows whose facts stand here a second time, from the servers' references; a new row need not."""


@pytest.mark.parametrize("quirks", sorted(ROWS))
async def test_row_never_sends_what_only_the_hub_knows(quirks: str) -> None:
    body = await body_for(quirks)
    assistant = body["messages"][2]
    assert body["model"] == "up"
    assert body.get("stream_options") == (None if quirks == "mistral" else {"include_usage": True})
    row = ROWS[quirks]
    assert ("reasoning_details" in assistant) == row.reasoning_details
    assert ("cache_control" in body["messages"][1]["content"][0]) == row.cache_control
    assert set(body).isdisjoint(row.drops)
    assert body["messages"][0]["role"] == ("developer" if row.developer_role else "system")
    assert assistant["tool_calls"][0]["id"] == body["messages"][3]["tool_call_id"]


@pytest.mark.parametrize("quirks", sorted(PINNED))
async def test_known_server_gets_what_its_reference_says(quirks: str) -> None:
    body = await body_for(quirks)
    takes_top_k = {"default", "llamacpp", "mistral", "openrouter", "perplexity", "sglang", "together", "vllm"}
    assert ("top_k" in body) == (quirks in takes_top_k)
    assert ("store" in body) == (quirks in {"default", "openrouter"})
    assert ("reasoning_details" in body["messages"][2]) == (quirks == "openrouter")
    assert ("cache_control" in body["messages"][1]["content"][0]) == (quirks == "openrouter")
    assert body["messages"][0]["role"] == ("developer" if quirks == "openrouter" else "system")


@pytest.mark.parametrize(
    ("quirks", "fields"),
    [
        ("deepseek", {"reasoning_content"}),
        ("groq", {"reasoning"}),
        ("mistral", set()),
        ("perplexity", set()),
        ("openrouter", {"reasoning"}),
        ("vllm", {"reasoning", "reasoning_content"}),
    ],
)
async def test_row_takes_reasoning_back_in_its_own_field(quirks: str, fields: set[str]) -> None:
    assistant = (await body_for(quirks))["messages"][2]
    assert {name for name in ("reasoning", "reasoning_content") if assistant.get(name) == "hm"} == fields


async def test_row_of_mistral_has_its_own_names_and_ids() -> None:
    body = await body_for("mistral")
    assert (body["max_tokens"], body["random_seed"], body["reasoning_effort"]) == (9, 4, "high")
    assert "seed" not in body
    assert len(body["messages"][3]["tool_call_id"]) == 9


@pytest.mark.parametrize(
    ("quirks", "sent", "expected"),
    [
        ("deepseek", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("together", {"reasoning_effort": "none"}, {"reasoning": {"enabled": False}}),
        ("vllm", {"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("vllm", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
        ("openrouter", {"reasoning": {"max_tokens": 100}}, {"reasoning": {"max_tokens": 100}}),
        ("openrouter", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "xhigh"}),
        ("default", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "xhigh"}),
    ],
)
async def test_row_reasoning_is_asked_for_in_the_servers_way(quirks: str, sent: dict, expected: dict) -> None:
    body = await body_for(quirks, **{"reasoning_effort": None, **sent})
    names = ("reasoning_effort", "reasoning", "thinking", "chat_template_kwargs")
    assert {name: body[name] for name in names if name in body} == expected


@pytest.mark.parametrize("quirks", sorted(ROWS))
async def test_row_needs_a_key_unless_it_runs_at_home(quirks: str) -> None:
    transport = PlayedTransport(Played([ANSWER]))
    adapter = OpenAICompatibleAdapter(transport)
    request = msgspec.convert(REQUEST, ChatRequest)
    if quirks in LOCAL:
        await adapter.chat(request, call_of(quirks, credential=None))
        assert b"authorization" not in dict(transport.requests[0].headers)
        return
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(request, call_of(quirks, credential=None))
    assert raised.value.kind is ErrorKind.CREDENTIALS


@pytest.mark.parametrize("quirks", sorted(ROWS))
async def test_row_without_base_url_uses_the_known_one_or_says_so(quirks: str) -> None:
    transport = PlayedTransport(Played([ANSWER]))
    adapter = OpenAICompatibleAdapter(transport)
    request = msgspec.convert(REQUEST, ChatRequest)
    if quirks in SELF_HOSTED:
        with pytest.raises(ProviderError):
            await adapter.chat(request, call_of(quirks, base_url=""))
        return
    await adapter.chat(request, call_of(quirks, base_url=""))
    url = transport.requests[0].url
    assert url.startswith(("https://", "http://127.0.0.1:"))
    assert url.endswith("/chat/completions")


async def test_unknown_row_is_a_configuration_error() -> None:
    with pytest.raises(ProviderError) as raised:
        await OpenAICompatibleAdapter(PlayedTransport(None)).list_models(call_of("nonsense"))
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert "vllm" in raised.value.message


async def test_deepseek_is_told_the_schema_in_words() -> None:
    """DeepSeek answers a `json_schema` with 400: "This response_format type is unavailable now"."""
    schema = msgspec.Raw(b'{"type": "object", "title": "Sky"}')
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    system = {"role": "system", "content": "Be brief."}
    body = await body_for("deepseek", response_format=wanted, messages=[system, {"role": "user", "content": "Hi"}])
    assert body["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in body["messages"]] == ["system", "system", "user"]
    assert "Sky" in body["messages"][1]["content"]
