"""Reasoning that clients send back: every spelling is taken, and only by the family that made it (TRAPS 22)."""

import json
from collections.abc import Mapping

import msgspec
import pytest

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from adapters.counts import missing_signatures
from schemas.chat_request import ChatRequest
from tests.adapters.provider_types import ACCEPT, accept
from tests.adapters.test_parameters import CONVERSE, OPENAI
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI

REGION = {"options": {"region": "us-east-1"}}
PROJECT = {"options": {"project": "acme"}}
# name: adapter, model, fields of the deployment, answer
MODELS: dict[str, tuple[str, str, Mapping[str, object], object]] = {
    "openai": ("openai", "gpt-5", {}, OPENAI),
    "claude": ("anthropic", "claude-sonnet-4-5", {}, CLAUDE),
    "claude on vertex": ("vertex", "claude-sonnet-4-5@20250929", PROJECT, CLAUDE),
    "claude on bedrock": ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", REGION, CONVERSE),
    "gemini": ("google", "gemini-3-pro-preview", {}, GEMINI),
    "gemini on vertex": ("vertex", "gemini-3-pro-preview", PROJECT, GEMINI),
    "gemini 2.0": ("google", "gemini-2.0-flash", {}, GEMINI),
    "nova": ("bedrock", "amazon.nova-pro-v1:0", REGION, CONVERSE),
    "deepseek": ("openai_compatible", "m", {"quirks": "deepseek"}, OPENAI),
    "openrouter": ("openai_compatible", "m", {"quirks": "openrouter"}, OPENAI),
    "vllm": ("openai_compatible", "m", {"quirks": "vllm", "base_url": "https://c.example/v1"}, OPENAI),
}
CLAUDES = ["claude", "claude on vertex", "claude on bedrock"]
GEMINIS = ["gemini", "gemini on vertex"]
CLAUDE_SIGNATURE = "Q2xhdWRlLXNpZ25hdHVyZQ=="
GOOGLE_SIGNATURE = "R29vZ2xlLXNpZ25hdHVyZS1vZi1mb3J0eS1jaGFyYWN0ZXJz"
SENTINEL = "skip_thought_signature_validator"
BY_CLAUDE: dict[str, Mapping[str, object]] = {
    "reasoning_details": {
        "reasoning_details": [
            {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "Hm.", "signature": CLAUDE_SIGNATURE}
        ]
    },
    "thinking_blocks": {"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": CLAUDE_SIGNATURE}]},
    "any-llm": {
        "reasoning": {"content": "Hm."},
        "extra_content": {"anthropic": {"signature": CLAUDE_SIGNATURE}},
    },
    "reasoning_content": {
        "reasoning_content": "Hm.",
        "extra_content": {"anthropic": {"signature": CLAUDE_SIGNATURE}},
    },
    "tensorzero": {
        "tensorzero_extra_content": [
            {
                "type": "thought", "text": "Hm.", "signature": CLAUDE_SIGNATURE, "provider_type": "anthropic",
                "insert_index": 0,
            }
        ]
    },
}  # fmt: skip
BY_GOOGLE: dict[str, Mapping[str, object]] = {
    "extra_content": {"call": {"extra_content": {"google": {"thought_signature": GOOGLE_SIGNATURE}}}},
    "extra_content of the message": {"extra_content": {"google": {"thought_signature": GOOGLE_SIGNATURE}}},
    "reasoning_details": {
        "reasoning_details": [
            {"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": "call_1", "data": GOOGLE_SIGNATURE}
        ]
    },
    "litellm's ids": {"call": {"id": f"call_1__thought__{GOOGLE_SIGNATURE}"}},
    "bifrost's ids": {"call": {"id": f"call_1_ts_{GOOGLE_SIGNATURE}"}},
    "tensorzero": {
        "tensorzero_extra_content": [
            {"type": "thought", "signature": GOOGLE_SIGNATURE, "provider_type": "google_ai_studio_gemini"}
        ]
    },
}


def request(kept: Mapping[str, object]) -> ChatRequest:
    """A tool loop that is under way; `kept["call"]` are fields of its only call."""
    fields = dict(kept)
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}} | fields.pop("call", {})
    document = {
        "model": "public",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [call], **fields},
            {"role": "tool", "tool_call_id": call["id"], "content": "fine"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "reasoning_effort": "low",
    }
    return msgspec.json.decode(json.dumps(document), type=ChatRequest)


def built(model: str) -> tuple[object, Call, PlayedTransport]:
    adapter_type, upstream_model, changes, answer = MODELS[model]
    base = {"id": "d", "model": "public", "provider": "p", "adapter": adapter_type, "upstream_model": upstream_model}
    base |= {"credential": Secret("AKIDEXAMPLE:wJalrXUtnFEMI"), "max_output_tokens": 8192}
    transport = PlayedTransport(Played([json.dumps(answer).encode()]))
    call = Call(deployment=Deployment(**{**base, **changes}), request_id="r", deadline=1e12)
    return registry.build(adapter_type, transport), call, transport


async def sent(model: str, kept: Mapping[str, object]) -> str:
    """The upstream request's body."""
    adapter, call, transport = built(model)
    assert isinstance(adapter, SupportsChat)
    await adapter.chat(request(kept), call)
    if call.deployment.adapter in ACCEPT:
        accept(call.deployment.adapter, json.loads(transport.requests[-1].body))
    return transport.requests[-1].body.decode()


@pytest.mark.parametrize("spelling", BY_CLAUDE)
@pytest.mark.parametrize("model", CLAUDES)
async def test_signed_thinking_goes_back_to_claude_in_every_spelling(model: str, spelling: str) -> None:
    body = json.loads(await sent(model, BY_CLAUDE[spelling]))
    first = body["messages"][1]["content"][0]
    thought = first.get("reasoningContent", {}).get("reasoningText") or first
    assert (thought.get("thinking") or thought.get("text"), thought["signature"]) == ("Hm.", CLAUDE_SIGNATURE)


@pytest.mark.parametrize("spelling", BY_GOOGLE)
@pytest.mark.parametrize("model", GEMINIS)
async def test_thought_signature_goes_back_to_gemini_in_every_spelling(model: str, spelling: str) -> None:
    body = json.loads(await sent(model, BY_GOOGLE[spelling]))
    part = body["contents"][1]["parts"][0]
    assert (part["functionCall"].get("id"), part["thoughtSignature"]) == ("call_1", GOOGLE_SIGNATURE)
    assert body["contents"][2]["parts"][0]["functionResponse"].get("id") == "call_1"


@pytest.mark.parametrize("spelling", BY_CLAUDE)
@pytest.mark.parametrize("model", sorted(MODELS.keys() - set(CLAUDES) - {"openrouter"}))
async def test_claudes_signature_goes_to_nobody_else(model: str, spelling: str) -> None:
    assert CLAUDE_SIGNATURE not in await sent(model, BY_CLAUDE[spelling])


@pytest.mark.parametrize("spelling", BY_GOOGLE)
@pytest.mark.parametrize("model", sorted(MODELS.keys() - {*GEMINIS, "gemini 2.0", "openrouter"}))
async def test_googles_signature_goes_to_nobody_else(model: str, spelling: str) -> None:
    assert GOOGLE_SIGNATURE not in await sent(model, BY_GOOGLE[spelling])


@pytest.mark.parametrize("spelling", ["litellm's ids", "bifrost's ids"])
@pytest.mark.parametrize("model", ["openai", *CLAUDES, "nova", "vllm"])
async def test_signature_in_an_id_is_cut_off_everywhere(model: str, spelling: str) -> None:
    body = await sent(model, BY_GOOGLE[spelling])
    assert body.count('"call_1"') == 2


@pytest.mark.parametrize("model", GEMINIS)
async def test_sentinel_is_sent_and_counted_where_gemini_3_has_no_signature(model: str) -> None:
    before = missing_signatures().get("google", 0)
    assert SENTINEL in await sent(model, {})
    assert missing_signatures()["google"] == before + 1


async def test_sentinel_is_not_sent_to_models_that_demand_nothing() -> None:
    assert SENTINEL not in await sent("gemini 2.0", {})


@pytest.mark.parametrize("model", ["claude", "claude on bedrock"])
async def test_thinking_without_its_signature_is_given_up_and_counted(model: str) -> None:
    provider = MODELS[model][0]
    before = missing_signatures().get(provider, 0)
    body = json.loads(await sent(model, {}))
    assert "thinking" not in body
    assert "reasoning_config" not in body.get("additionalModelRequestFields", {})
    assert missing_signatures()[provider] == before + 1


@pytest.mark.parametrize(
    ("model", "unasked", "asked"),
    [
        ("openai", "never", "never"),
        ("vllm", "never", "never"),
        ("deepseek", "with_calls", "with_calls"),
        ("openrouter", "always", "always"),
        ("gemini", "always", "always"),
        ("gemini on vertex", "always", "always"),
        ("gemini 2.0", "never", "never"),
        ("claude", "never", "always"),
        ("claude on vertex", "never", "always"),
        ("claude on bedrock", "never", "always"),
        ("nova", "never", "never"),
    ],
)
def test_reasoning_is_wanted_back_where_the_model_reasons(model: str, unasked: str, asked: str) -> None:
    adapter, call, _ = built(model)
    silent = msgspec.structs.replace(request({}), reasoning_effort=None)
    wants = getattr(adapter, "wants_reasoning_back", lambda *_: "never")
    assert (wants(silent, call), wants(request({}), call)) == (unasked, asked)
