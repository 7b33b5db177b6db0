"""Sampling parameters within what each provider and model takes: the nearest value is sent, or none, and it is named.

The bounds are those of the providers' references and of refusals that users reported; where OpenAI's are narrower or
the same, the value travels as it is and the provider judges it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters import test_parameters
from tests.adapters.test_parameters import PROVIDERS, TOOLS, sent

NAMES = {"p": "top_p", "k": "top_k", "topP": "top_p", "topK": "top_k", "random_seed": "seed"}
NAMES |= {"frequencyPenalty": "frequency_penalty", "presencePenalty": "presence_penalty"}
TOP = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "logprobs", "logit_bias")
TOP += ("stop", "parallel_tool_calls", "verbosity")
BOUNDS = ("max_tokens", "max_completion_tokens")
WITHIN = ("options", "generationConfig", "inferenceConfig", "additionalModelRequestFields")


class Row(NamedTuple):
    """What a client gives, what arrives of it, and what is named."""

    provider: str
    model: str
    given: dict[str, object]
    arrives: dict[str, object]
    named: tuple[str, ...]
    options: Mapping[str, str] = MappingProxyType({})


HOT = {"temperature": 1.8}
BOTH = {"temperature": 0.3, "top_p": 0.9}
PENALTIES = {"frequency_penalty": 0.5, "presence_penalty": 2.0}
REASONED = {"temperature": 0.2, "top_p": 0.9, "frequency_penalty": 0.5, "logprobs": True, "logit_bias": {"5": 1}}
ONE_CALL = {"parallel_tool_calls": False}
STOP = {"stop": ["Observation:"]}
THOUGHT = ("temperature", "top_p", "thinking.budget_tokens")
NEUTRAL = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "logprobs": False, "logit_bias": {}}
LEFT_OUT = tuple(REASONED)
ROWS = [
    Row("mistral", "mistral-large-latest", HOT, {"temperature": 1.5}, ("temperature",)),
    Row("mistral", "mistral-large-latest", {"temperature": 1.5}, {"temperature": 1.5}, ()),
    Row("mistral", "mistral-large-latest", {"temperature": -1}, {"temperature": 0}, ("temperature",)),
    Row("mistral", "mistral-large-latest", {"temperature": 0, "top_p": 0.9}, {"temperature": 0}, ("top_p",)),
    Row("mistral", "mistral-large-latest", {"temperature": 0, "top_p": 1}, {"temperature": 0, "top_p": 1}, ()),
    Row("mistral", "mistral-large-latest", BOTH, BOTH, ()),
    Row("mistral", "mistral-large-latest", {"seed": -7}, {}, ("seed",)),
    Row("mistral", "mistral-large-latest", {"seed": 7}, {"seed": 7}, ()),
    Row("compatible mistral", "m", HOT, {"temperature": 1.5}, ("temperature",)),
    Row("compatible deepseek", "m", HOT, HOT, ()),
    Row("compatible vllm", "m", {"temperature": 5}, {"temperature": 5}, ()),
    Row("openrouter", "a/b", HOT, HOT, ()),
    Row("ollama", "qwen3", {"temperature": 3}, {"temperature": 3}, ()),
    Row("cohere", "command-a-03-2025", HOT, {"temperature": 1}, ("temperature",)),
    Row("cohere", "command-a-03-2025", {"top_p": 1}, {"top_p": 0.99}, ("top_p",)),
    Row("cohere", "command-a-03-2025", {"top_p": 0}, {"top_p": 0.01}, ("top_p",)),
    Row("cohere", "command-a-03-2025", {"top_k": 900}, {"top_k": 500}, ("top_k",)),
    Row("cohere", "command-a-03-2025", {"frequency_penalty": -1}, {}, ("frequency_penalty",)),
    Row("cohere", "command-a-03-2025", {"presence_penalty": 2}, {"presence_penalty": 1}, ("presence_penalty",)),
    Row("google", "gemini-3.5-flash", HOT, HOT, ()),
    Row("google", "gemini-3.5-flash", PENALTIES, {}, ("frequency_penalty", "presence_penalty")),
    Row("google", "gemini-2.5-pro", {"frequency_penalty": 0}, {}, ()),
    Row(
        "google", "gemini-2.0-flash", PENALTIES, {**PENALTIES, "presence_penalty": 1.99}, ("presence_penalty",)
    ),
    Row(
        "vertex gemini", "gemini-3.5-flash", PENALTIES, {**PENALTIES, "presence_penalty": 1.99}, ("presence_penalty",)
    ),
    Row("google", "gemini-3.5-flash", {"seed": 2**40}, {}, ("seed",)),
    Row("anthropic", "claude-sonnet-4-5", HOT, {"temperature": 1}, ("temperature",)),
    Row("anthropic", "claude-sonnet-4-5", BOTH, {"temperature": 0.3}, ("top_p",)),
    Row("anthropic", "claude-3-5-haiku-20241022", BOTH, BOTH, ()),
    Row("anthropic", "claude-opus-5", BOTH, {}, ("temperature", "top_p")),
    Row("anthropic", "claude-opus-4-7", {"temperature": 1, "top_p": 1}, {}, ()),
    Row("anthropic", "claude-opus-4-8", {"top_k": 5}, {}, ("top_k",)),
    Row(
        "anthropic",
        "claude-sonnet-4-5",
        {"temperature": 0.3, "top_k": 5, "reasoning_effort": "high"},
        {},
        ("temperature", "top_k"),
    ),
    Row("vertex claude", "claude-sonnet-4-5@20250929", HOT, {"temperature": 1}, ("temperature",)),
    Row("bedrock claude", "anthropic.claude-sonnet-4-5-20250929-v1:0", HOT, {"temperature": 1}, ("temperature",)),
    Row("bedrock claude", "anthropic.claude-sonnet-4-5-20250929-v1:0", BOTH, {"temperature": 0.3}, ("top_p",)),
    Row("bedrock nova", "amazon.nova-pro-v1:0", HOT, {"temperature": 1}, ("temperature",)),
    Row("bedrock nova", "amazon.nova-pro-v1:0", BOTH, BOTH, ()),
    Row("openai", "gpt-4.1", REASONED, REASONED, ()),
    Row("openai", "gpt-5", REASONED, {}, LEFT_OUT),
    Row("openai", "gpt-5-mini-2025-08-07", REASONED, {}, LEFT_OUT),
    Row("openai", "o3", {"temperature": 0.2}, {}, ("temperature",)),
    Row("openai", "o4-mini", NEUTRAL, {}, ()),
    Row("openai", "gpt-5-chat-latest", BOTH, BOTH, ()),
    Row("openai", "gpt-5.4", BOTH, BOTH, ()),
    Row("openai", "gpt-5.4", {**BOTH, "reasoning_effort": "none"}, BOTH, ()),
    Row("openai", "gpt-5.4", {**BOTH, "reasoning_effort": "low"}, {}, ("temperature", "top_p")),
    Row("openai", "gpt-6-sol", {**BOTH, "reasoning_effort": "low"}, BOTH, ()),
    Row("openai", "o300-of-ours", BOTH, BOTH, ()),
    Row("openai", "gpt-5", BOTH, BOTH, (), {"sampling": "free"}),
    Row("openai", "gpt-7", BOTH, {}, ("temperature", "top_p"), {"sampling": "none"}),
    Row("azure_openai", "gpt-5", BOTH, {}, ("temperature", "top_p")),
    Row("compatible default", "gpt-5", BOTH, BOTH, ()),
    Row("openai", "gpt-4.1", STOP, STOP, ()),
    Row("openai", "o1", STOP, STOP, ()),
    Row("openai", "o3-mini", STOP, STOP, ()),
    Row("openai", "o3-2025-04-16", STOP, {}, ("stop",)),
    Row("openai", "o4-mini", {"stop": []}, {}, ()),
    Row("openai", "gpt-5-nano", STOP, {}, ("stop",)),
    Row("openai", "gpt-5.1", STOP, {}, ("stop",)),
    Row("openai", "gpt-5.2-2025-12-11", {**STOP, "reasoning_effort": "none"}, {}, ("stop",)),
    Row("openai", "gpt-5.1-chat-latest", STOP, STOP, ()),
    Row("openai", "gpt-5", STOP, STOP, (), {"sampling": "free"}),
    Row("azure_openai", "our-deployment", STOP, STOP, ()),
    Row("azure_openai", "gpt-4o", {"max_tokens": 5}, {"max_tokens": 5}, ()),
    Row("azure_openai", "o4-mini", {"max_tokens": 5}, {"max_completion_tokens": 5}, ()),
    Row("azure_openai", "gpt-5.1", {"max_tokens": 5, "max_completion_tokens": 7}, {"max_completion_tokens": 7}, ()),
    Row("azure_openai", "ours", {"max_tokens": 5}, {"max_completion_tokens": 5}, (), {"sampling": "none"}),
    Row("azure_openai", "our-deployment", STOP, {}, ("stop",), {"sampling": "none"}),
    Row("compatible default", "a-thinker", STOP, STOP, (), {"sampling": "none"}),
    Row("openai", "gpt-5.4", {**BOTH, "thinking": {"type": "enabled", "budget_tokens": 2000}}, {}, THOUGHT),
    Row("openai", "o4-mini", {**ONE_CALL, "tools": TOOLS}, {}, ("parallel_tool_calls",)),
    Row("openai", "o3", {"parallel_tool_calls": True, "tools": TOOLS}, {}, ()),
    Row("openai", "gpt-5", {**ONE_CALL, "tools": TOOLS}, ONE_CALL, ()),
    Row("openai", "gpt-4o-mini", {"verbosity": "low"}, {}, ("verbosity",)),
    Row("openai", "gpt-4.1", {"verbosity": "medium"}, {}, ()),
    Row("openai", "gpt-5", {"verbosity": "low"}, {"verbosity": "low"}, ()),
    Row("compatible xai", "grok-4.3", {**STOP, **PENALTIES}, {}, ("stop", *PENALTIES)),
    Row("compatible xai", "grok-3-mini", {"presence_penalty": 0, "stop": ["x"]}, {}, ("stop",)),
    Row("compatible xai", "grok-3", {**STOP, **PENALTIES}, {**STOP, "frequency_penalty": 0.5}, ("presence_penalty",)),
    Row("compatible default", "a-thinker", BOTH, {}, ("temperature", "top_p"), {"sampling": "none"}),
]  # fmt: skip


def with_model(monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    adapter, _, changes, answer = PROVIDERS[row.provider]
    options = {**dict(changes.get("options", {})), **row.options}  # type: ignore[call-overload] - a mapping of texts
    monkeypatch.setitem(
        test_parameters.PROVIDERS, row.provider, (adapter, row.model, {**changes, "options": options}, answer)
    )


def arrived(body: object) -> dict[str, object]:
    assert isinstance(body, dict)
    places = [body, *(body[name] for name in WITHIN if name in body)]
    found = {NAMES.get(name, name): value for place in places for name, value in place.items()}
    return {name: value for name, value in found.items() if name in TOP}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider}, {row.model}, {row.given}")
async def test_sampling_arrives_within_what_the_model_takes_and_what_is_changed_is_named(
    monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    with_model(monkeypatch, row)
    (body, _), dropped = await sent(row.provider, row.given)  # type: ignore[misc] - the body and some headers
    assert isinstance(body, dict)
    bounds = {name: body[name] for name in BOUNDS if name in body and "max_tokens" in row.given}
    assert {**arrived(body), **bounds} == row.arrives
    assert set(dropped) - {"reasoning_effort"} == set(row.named)
    if row.named and "reasoning_effort" not in row.given:
        with pytest.raises(ProviderError) as raised:
            await sent(row.provider, row.given, policy="reject")
        assert raised.value.kind is ErrorKind.UNSUPPORTED_PARAMETER
        assert raised.value.param in row.named


EFFORTS = [
    ("openai", "gpt-4o-mini", "high", None, True),
    ("openai", "gpt-4o", "none", None, False),
    ("azure_openai", "gpt-4.1", "low", None, True),
    ("openai", "gpt-5-chat-latest", "low", None, True),
    ("openai", "gpt-3.5-turbo-0125", "low", None, True),
    ("openai", "gpt-5-mini", "minimal", "minimal", False),
    ("openai", "o3", "high", "high", False),
    ("openai", "gpt-5.4", "xhigh", "xhigh", False),
    ("openai", "gpt-oss-120b", "low", "low", False),
    ("compatible xai", "grok-4-1-fast-reasoning", "low", None, True),
    ("compatible xai", "grok-4", "high", None, True),
    ("compatible xai", "grok-4-0709", "high", None, True),
    ("compatible xai", "grok-4.20-0309-reasoning", "low", None, True),
    ("compatible xai", "grok-4.20-multi-agent-0309", "low", "low", False),
    ("compatible xai", "grok-code-fast-1", "high", None, True),
    ("compatible xai", "grok-3-mini", "high", "high", False),
    ("compatible xai", "grok-3", "high", None, True),
    ("compatible xai", "grok-4.3", "none", "none", False),
    ("compatible xai", "grok-4.5", "medium", "medium", False),
    ("compatible default", "gpt-4o", "low", "low", False),
]


@pytest.mark.parametrize(("provider", "model", "effort", "arrives", "is_named"), EFFORTS)
async def test_effort_reaches_models_that_reason(
    monkeypatch: pytest.MonkeyPatch, provider: str, model: str, effort: str, arrives: str | None, is_named: bool
) -> None:
    with_model(monkeypatch, Row(provider, model, {}, {}, ()))
    for given in ({"reasoning_effort": effort}, {"reasoning": {"effort": effort}}):
        written = next(iter(given))
        (body, _), dropped = await sent(provider, given)  # type: ignore[misc] - the body and some headers
        assert body.get("reasoning_effort") == arrives
        assert (written in dropped) is is_named


async def test_option_that_does_not_exist_is_the_deployments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with_model(monkeypatch, Row("openai", "gpt-5", {}, {}, (), {"sampling": "some"}))
    with pytest.raises(ProviderError) as raised:
        await sent("openai", {"temperature": 0.2})
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
