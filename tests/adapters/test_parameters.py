"""No request field is lost without a word (TRAPS 23): each is carried, named as dropped, or refused, by every adapter.

"Carried" means that the upstream request differs from the one without the field. The golden table says which of the
three it is, so that a change of it is read in review.
"""

import json
from collections.abc import Mapping

import msgspec
import pytest

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.openai_compatible.quirks import ROWS
from schemas.chat_request import ChatRequest
from tests.adapters.dialects import COHERE, CONVERSE, OLLAMA, OPENAI
from tests.adapters.provider_types import ACCEPT, accept
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI
from tests.golden import Golden

TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
# name: adapter, model, fields of the deployment, answer
PROVIDERS: dict[str, tuple[str, str, Mapping[str, object], object]] = {
    "anthropic": ("anthropic", "claude-sonnet-4-5", {}, CLAUDE),
    "azure_openai": ("azure_openai", "gpt-4.1", {"base_url": "https://azure.example/openai/v1"}, OPENAI),
    "bedrock claude": (
        "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", {"options": {"region": "us-east-1"}}, CONVERSE,
    ),
    "bedrock nova": ("bedrock", "amazon.nova-pro-v1:0", {"options": {"region": "us-east-1"}}, CONVERSE),
    "cohere": ("cohere", "command-a-03-2025", {}, COHERE),
    "google": ("google", "gemini-3.5-flash", {}, GEMINI),
    "mistral": ("mistral", "mistral-large-latest", {}, OPENAI),
    "ollama": ("ollama", "qwen3", {}, OLLAMA),
    "openai": ("openai", "gpt-4.1", {}, OPENAI),
    "openai reasoning": ("openai", "gpt-5", {}, OPENAI),
    "openrouter": ("openrouter", "z-ai/glm-4.6", {}, OPENAI),
    "vertex claude": ("vertex", "claude-sonnet-4-5@20250929", {"options": {"project": "acme"}}, CLAUDE),
    "vertex gemini": ("vertex", "gemini-3.5-flash", {"options": {"project": "acme"}}, GEMINI),
    **{
        f"compatible {row}": ("openai_compatible", "m", {"quirks": row, "base_url": "https://c.example/v1"}, OPENAI)
        for row in ROWS
    },
}  # fmt: skip
# field: value, and what must be beside it
PARAMETERS: dict[str, tuple[object, Mapping[str, object]]] = {
    "audio": ({"format": "pcm16", "voice": "alloy"}, {}),
    "cache_control": ([{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}], {}),
    "frequency_penalty": (0.5, {}),
    "function_call": ({"name": "f"}, {"functions": [TOOLS[0]["function"]]}),
    "logit_bias": ({"5": 10}, {}),
    "logprobs": (True, {}),
    "max_completion_tokens": (77, {}),
    "max_tokens": (77, {}),
    "metadata": ({"key": "value"}, {}),
    "modalities": (["text", "audio"], {}),
    "moderation": ({"model": "omni"}, {}),
    "n": (2, {}),
    "parallel_tool_calls": (False, {"tools": TOOLS}),
    "prediction": ({"type": "content", "content": "expected"}, {}),
    "presence_penalty": (0.5, {}),
    "prompt_cache_key": ("key", {}),
    "prompt_cache_options": ({"mode": "explicit"}, {}),
    "prompt_cache_retention": ("24h", {}),
    "reasoning": ({"effort": "high"}, {}),
    "reasoning_effort": ("high", {}),
    "response_format": ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}, {}),
    "response_format object": ({"type": "json_object"}, {}),
    "safety_identifier": ("person", {}),
    "seed": (7, {}),
    "service_tier": ("priority", {}),
    "service_tier flex": ("flex", {}),
    "stop": (["END"], {}),
    "stop whitespace": (["\n\n"], {}),
    "store": (True, {}),
    "strict": ([{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}], {}),
    "temperature": (0.5, {}),
    "temperature above 1": (1.7, {}),
    "thinking": ({"type": "enabled", "budget_tokens": 2048}, {}),
    "tool_choice": ({"type": "function", "function": {"name": "f"}}, {"tools": TOOLS}),
    "tool_choice allowed": (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
        {"tools": TOOLS},
    ),
    "top_k": (5, {}),
    "top_logprobs": (3, {"logprobs": True}),
    "top_p": (0.5, {}),
    "unknown_field": ({"a": 1}, {}),
    "user": ("person", {}),
    "verbosity": ("low", {}),
    "web_search_options": ({"search_context_size": "low"}, {}),
}
FORWARDS = {"openai", "azure_openai", "mistral"}
"""Adapters that send a field which nobody knows as the client wrote it: no package has a type for that."""
FIELDS = {"cache_control": "messages", "strict": "tools"}


def field_of(parameter: str) -> str:
    name = parameter.partition(" ")[0]
    return FIELDS.get(name, name)


async def sent(provider: str, fields: Mapping[str, object], policy: str = "drop") -> tuple[object, tuple[str, ...]]:
    """The upstream request, as far as a field may show in it, and the names of what was dropped."""
    adapter_type, model, changes, answer = PROVIDERS[provider]
    base = {"id": "d", "model": "public", "provider": "p", "adapter": adapter_type, "upstream_model": model}
    base |= {"credential": Secret("AKIDEXAMPLE:wJalrXUtnFEMI"), "extra_params": policy, "max_output_tokens": 8192}
    deployment = Deployment(**{**base, **changes})
    document = {"model": "public", "messages": [{"role": "user", "content": "Hi"}], **fields}
    unknown = {
        name: msgspec.Raw(json.dumps(document.pop(name)).encode()) for name in ["unknown_field"] if name in document
    }
    request = msgspec.json.decode(json.dumps(document), type=ChatRequest)
    transport = PlayedTransport(Played([json.dumps(answer).encode()]))
    adapter = registry.build(adapter_type, transport)
    assert isinstance(adapter, SupportsChat)
    call = Call(deployment=deployment, request_id="r", deadline=1e12, extra_params=unknown)
    result = await adapter.chat(request, call)
    one = transport.requests[-1]
    if adapter_type in ACCEPT:
        body = json.loads(one.body)
        if adapter_type in FORWARDS and policy != "reject":
            assert all(body.pop(name) == json.loads(bytes(value)) for name, value in unknown.items())
        accept(adapter_type, body)
    headers = [pair for pair in one.headers if pair[0].startswith((b"x-vertex", b"anthropic-beta"))]
    return (json.loads(one.body), headers), result.dropped_params


def is_named(parameter: str, dropped: tuple[str, ...]) -> bool:
    wanted = parameter.partition(" ")[0]
    return any(wanted == name or name.startswith(f"{wanted}.") or name.endswith(f".{wanted}") for name in dropped)


async def verdict(provider: str, parameter: str) -> str:
    value, beside = PARAMETERS[parameter]
    bare: Mapping[str, object] = (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]}
        if parameter == "strict"
        else beside
    )
    try:
        before, already = await sent(provider, bare)
        assert not is_named(parameter, already)
        after, dropped = await sent(provider, {**bare, field_of(parameter): value})
    except ProviderError as error:
        if error.kind is not ErrorKind.UNSUPPORTED_PARAMETER:
            raise
        return "refused"
    named = is_named(parameter, dropped)
    if named:
        with pytest.raises(ProviderError) as rejected:
            await sent(provider, {**bare, field_of(parameter): value}, policy="reject")
        assert rejected.value.kind is ErrorKind.UNSUPPORTED_PARAMETER
    if after != before:
        return "changed, named" if named else "carried"
    return "dropped" if named else "LOST"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_parameters_are_carried_named_or_refused_never_lost(provider: str, golden: Golden) -> None:
    verdicts = {parameter: await verdict(provider, parameter) for parameter in PARAMETERS}
    assert [parameter for parameter, found in verdicts.items() if found == "LOST"] == []
    text = "".join(f"{parameter}: {found}\n" for parameter, found in verdicts.items())
    golden.check(f"parameters/{provider.replace(' ', '_')}.txt", text)


def test_parameters_of_every_adapter_are_looked_at() -> None:
    assert {adapter for adapter, *_ in PROVIDERS.values()} == registry.adapter_types() - {"echo"}
