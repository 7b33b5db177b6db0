"""`reasoning_effort` at each provider's own knob, for every adapter and every kind of model that it serves."""

import json
from collections.abc import Mapping
from typing import get_args

import msgspec
import pytest

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from schemas.chat_request import ChatRequest, ReasoningEffort
from tests.adapters.provider_types import ACCEPT, accept
from tests.adapters.test_parameters import COHERE, CONVERSE, OPENAI
from tests.adapters.vertex.vertex_fixtures import CLAUDE, GEMINI

EFFORTS = get_args(ReasoningEffort)
AZURE = {"base_url": "https://azure.example/openai/v1"}
REGION = {"options": {"region": "us-east-1"}}
PROJECT = {"options": {"project": "acme"}}
MAX_TOKENS = 32_000
NOTHING: Mapping[str, object] = {}
OFF = {"thinking": {"type": "disabled"}}


def adaptive(effort: str) -> Mapping[str, object]:
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}


def budget(tokens: int) -> Mapping[str, object]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def level(name: str, *, shown: bool = True) -> Mapping[str, object]:
    return {"thinkingConfig": {"includeThoughts": shown, "thinkingLevel": name}}


def thinking_tokens(tokens: int) -> Mapping[str, object]:
    return {"thinkingConfig": {"includeThoughts": tokens > 0, "thinkingBudget": tokens}}


def effort(name: str) -> Mapping[str, object]:
    return {"reasoning_effort": name}


def template(*, on: bool) -> Mapping[str, object]:
    return {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}


# In the order of EFFORTS: none, minimal, low, medium, high, xhigh, max.
CLAUDE_BUDGETS = [OFF, *map(budget, (1024, 1024, 2048, 4096, 8192, 16_384))]
CLAUDE_LEVELS = [OFF, *map(adaptive, ("low", "low", "medium", "high", "xhigh", "max"))]
FLASH_LEVELS = [level("minimal", shown=False), *map(level, ("minimal", "low", "medium", "high", "high", "high"))]
PRO_LEVELS = [level("low", shown=False), *map(level, ("low", "low", "medium", "high", "high", "high"))]
FLASH_BUDGETS = [*map(thinking_tokens, (0, 1024, 1024, 8192, 24_576, 24_576, 24_576))]
PRO_BUDGETS = [
    {"thinkingConfig": {"includeThoughts": False, "thinkingBudget": 128}},  # it cannot be turned off
    *map(thinking_tokens, (1024, 1024, 8192, 24_576, 32_768, 32_768)),
]
BEDROCK_BUDGETS = [OFF, *({"reasoning_config": one["thinking"]} for one in CLAUDE_BUDGETS[1:])]
COHERE_BUDGETS = [
    OFF,
    *({"thinking": {"type": "enabled", "token_budget": one}} for one in (1024, 1024, 2048, 4096, 8192, 16_384)),
]
NOVA_LEVELS = [
    {"reasoningConfig": {"type": "disabled"}},
    *(
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": one}}
        for one in ("low", "low", "medium", "high", "high", "high")
    ),
]
AS_IT_IS = [effort(name) for name in EFFORTS]
LOW_TO_HIGH = [*map(effort, ("none", "low", "low", "medium", "high", "high", "high"))]
# name: adapter, model, fields of the deployment, answer, what is expected for each effort
TABLE: dict[str, tuple[str, str, Mapping[str, object], object, list[Mapping[str, object]]]] = {
    "openai": ("openai", "gpt-5", {}, OPENAI, AS_IT_IS),
    "azure": ("azure_openai", "gpt-5", AZURE, OPENAI, AS_IT_IS),
    "claude with budgets": ("anthropic", "claude-sonnet-4-5", {}, CLAUDE, CLAUDE_BUDGETS),
    "claude with levels": ("anthropic", "claude-opus-4-8", {}, CLAUDE, CLAUDE_LEVELS),
    "claude that thinks by itself": ("anthropic", "claude-opus-5", {}, CLAUDE, CLAUDE_LEVELS),
    "claude without thinking": ("anthropic", "claude-3-5-haiku-latest", {}, CLAUDE, [NOTHING] * 7),
    "claude on vertex": ("vertex", "claude-sonnet-4-5@20250929", PROJECT, CLAUDE, CLAUDE_BUDGETS),
    "gemini 3 flash": ("google", "gemini-3-flash-preview", {}, GEMINI, FLASH_LEVELS),
    "gemini 3 pro": ("google", "gemini-3-pro-preview", {}, GEMINI, PRO_LEVELS),
    "gemini 3 flash on vertex": ("vertex", "gemini-3-flash-preview", PROJECT, GEMINI, FLASH_LEVELS),
    "gemini 2.5 flash": ("google", "gemini-2.5-flash", {}, GEMINI, FLASH_BUDGETS),
    "gemini 2.0": ("google", "gemini-2.0-flash", {}, GEMINI, [NOTHING] * 7),
    "vllm": (
        "openai_compatible", "m", {"quirks": "vllm", "base_url": "https://c.example/v1"}, OPENAI,
        [template(on=False), *LOW_TO_HIGH[1:]],
    ),
    "deepseek": ("openai_compatible", "m", {"quirks": "deepseek"}, OPENAI, [OFF, *AS_IT_IS[1:]]),
    "claude on bedrock": ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", REGION, CONVERSE, BEDROCK_BUDGETS),
    "nova 2 on bedrock": ("bedrock", "amazon.nova-2-lite-v1:0", REGION, CONVERSE, NOVA_LEVELS),
    "cohere": ("cohere", "command-a-reasoning-08-2025", {}, COHERE, COHERE_BUDGETS),
    "gemini 2.5 pro": ("google", "gemini-2.5-pro", {}, GEMINI, PRO_BUDGETS),
    "gpt-oss on bedrock": ("bedrock", "openai.gpt-oss-120b-1:0", REGION, CONVERSE, [effort("low"), *LOW_TO_HIGH[1:]]),
    "groq": ("openai_compatible", "m", {"quirks": "groq"}, OPENAI, LOW_TO_HIGH),
}  # fmt: skip
KNOBS = {
    "thinking",
    "output_config",
    "thinkingConfig",
    "reasoning_effort",
    "reasoning",
    "chat_template_kwargs",
    "reasoning_config",
    "reasoningConfig",
}


async def knobs(name: str, **fields: object) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """What the upstream request says of reasoning, and the names of what was dropped or changed."""
    adapter_type, model, changes, answer, _ = TABLE[name]
    base = {"id": "d", "model": "public", "provider": "p", "adapter": adapter_type, "upstream_model": model}
    base |= {"credential": Secret("AKIDEXAMPLE:wJalrXUtnFEMI"), "max_output_tokens": MAX_TOKENS}
    document = {"model": "public", "messages": [{"role": "user", "content": "Hi"}], **fields}
    request = msgspec.json.decode(json.dumps(document), type=ChatRequest)
    transport = PlayedTransport(Played([json.dumps(answer).encode()]))
    adapter = registry.build(adapter_type, transport)
    assert isinstance(adapter, SupportsChat)
    deployment = Deployment(**{**base, **changes})
    result = await adapter.chat(request, Call(deployment=deployment, request_id="r", deadline=1e12))
    body = json.loads(transport.requests[-1].body)
    if adapter_type in ACCEPT:
        accept(adapter_type, body)
    body |= {**(body.get("generationConfig") or {}), **(body.get("additionalModelRequestFields") or {})}
    return {knob: body[knob] for knob in KNOBS & body.keys()}, result.dropped_params


@pytest.mark.parametrize("name", TABLE)
async def test_reasoning_effort_reaches_the_providers_own_knob(name: str) -> None:
    found = {one: (await knobs(name, reasoning_effort=one))[0] for one in EFFORTS}
    assert found == dict(zip(EFFORTS, TABLE[name][4], strict=True))


@pytest.mark.parametrize("name", TABLE)
async def test_without_reasoning_effort_nothing_is_said_of_reasoning(name: str) -> None:
    assert await knobs(name) == ({}, ())


@pytest.mark.parametrize("name", ["claude with budgets", "claude on vertex"])
async def test_budget_is_cut_below_max_tokens_and_given_up_where_there_is_no_room(name: str) -> None:
    assert (await knobs(name, reasoning_effort="high", max_tokens=3000))[0] == budget(2999)
    found, dropped = await knobs(name, reasoning_effort="high", max_tokens=1024)
    assert (found, "reasoning_effort" in dropped) == (NOTHING, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai", effort("low")),
        ("claude with budgets", budget(1024)),
        ("claude with levels", adaptive("low")),
        ("gemini 3 flash", level("low")),
        ("gemini 2.5 flash", thinking_tokens(1024)),
        ("vllm", effort("low")),
    ],
)
async def test_explicit_reasoning_wins_over_the_effort(name: str, expected: Mapping[str, object]) -> None:
    assert (await knobs(name, reasoning_effort="high", reasoning={"effort": "low"}))[0] == expected
