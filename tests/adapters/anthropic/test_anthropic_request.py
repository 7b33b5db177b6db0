"""Parameters and reasoning as the provider takes them, and what is reported as lost."""

import hashlib
import json

import pytest

from adapters.errors import ErrorKind
from tests.adapters.anthropic.translate import TOOL, call, dropped, refused, sent, translation


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        ({"max_completion_tokens": 7, "max_tokens": 9}, "claude-sonnet-4-5", 7),
        ({"max_tokens": 9}, "claude-sonnet-4-5", 9),
        ({}, "claude-sonnet-4-5", 64_000),
        ({}, "us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000),
        ({}, "anthropic/claude-opus-4.7", 128_000),
        ({}, "claude-3-haiku-20240307", 4_096),
        ({}, "claude-next-9", 128_000),
        ({}, "somebody-elses-model", 32_000),
    ],
)
def test_max_tokens_is_the_clients_or_the_models_cap(fields: dict, model: str, expected: int) -> None:
    assert sent(fields, call(model))["max_tokens"] == expected


def test_max_tokens_of_the_deployment_beats_the_table() -> None:
    assert sent({}, call(max_output_tokens=5_000))["max_tokens"] == 5_000


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "config"),
    [
        ("claude-sonnet-4-5", {"reasoning_effort": "minimal"}, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", {"reasoning_effort": "max"}, {"type": "enabled", "budget_tokens": 16384}, None),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "max_tokens": 2000},
            {"type": "enabled", "budget_tokens": 1999},
            None,
        ),
        ("claude-sonnet-4-5", {"reasoning_effort": "none"}, {"type": "disabled"}, None),
        ("claude-sonnet-4-5", {}, None, None),
        (
            "claude-opus-4-6",
            {"reasoning_effort": "minimal"},
            {"type": "adaptive", "display": "summarized"},
            {"effort": "low"},
        ),
        (
            "claude-opus-5",
            {"reasoning_effort": "xhigh"},
            {"type": "adaptive", "display": "summarized"},
            {"effort": "xhigh"},
        ),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}, None),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"type": "enabled", "budget_tokens": 3000},
            None,
        ),
        (
            "claude-opus-5",
            {"reasoning": {"effort": "low", "exclude": True}},
            {"type": "adaptive", "display": "omitted"},
            {"effort": "low"},
        ),
        ("claude-sonnet-4-5", {"reasoning": {"max_tokens": 2000}}, {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-sonnet-4-5", {"reasoning": {"enabled": False}}, {"type": "disabled"}, None),
    ],
)
def test_reasoning_reaches_the_knob_of_the_models_generation(
    model: str, fields: dict, thinking: dict | None, config: dict | None
) -> None:
    body = sent(fields, call(model))
    assert body.get("thinking") == thinking
    assert body.get("output_config") == config
    assert translation(fields, call(model)).dropped == ()


@pytest.mark.parametrize(
    ("model", "fields", "lost"),
    [
        ("claude-3-5-haiku-20241022", {"reasoning_effort": "high"}, "reasoning_effort"),
        ("claude-sonnet-4-5", {"reasoning_effort": "high", "max_tokens": 1024}, "reasoning_effort"),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ("claude-fable-5", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("claude-opus-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking"),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "tools": [TOOL], "tool_choice": "required"},
            "reasoning_effort",
        ),
    ],
)
def test_reasoning_that_cannot_be_as_asked_is_reported(model: str, fields: dict, lost: str) -> None:
    assert dropped(fields, model=model) == (lost,)
    sent(fields, call(model))


def test_reasoning_style_of_the_deployment_beats_the_table() -> None:
    at = call("my-claude", options={"thinking": "adaptive", "structured_outputs": "true"})
    assert sent({"reasoning_effort": "high"}, at)["thinking"]["type"] == "adaptive"
    assert refused({}, options={"thinking": "loud"}).kind is ErrorKind.SERVER_ERROR


@pytest.mark.parametrize(
    ("model", "fields", "expected", "lost"),
    [
        ("claude-sonnet-4-0", {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3, "top_p": 0.5}, ()),
        ("claude-sonnet-4-0", {"temperature": 1.7}, {"temperature": 1.0}, ("temperature",)),
        ("claude-sonnet-4-5", {"temperature": 0, "top_p": 0.5}, {"temperature": 0}, ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 1, "top_p": 1}, {"temperature": 1}, ()),
        ("claude-opus-5", {"temperature": 1, "top_p": 1}, {}, ()),
        ("claude-opus-5", {"temperature": 0, "top_p": 0.9, "top_k": 3}, {}, ("temperature", "top_p", "top_k")),
        ("claude-sonnet-4-5", {"reasoning_effort": "low", "temperature": 0, "top_k": 3}, {}, ("temperature", "top_k")),
        ("claude-sonnet-4-5", {"top_k": 3}, {"top_k": 3}, ()),
    ],
)
def test_sampling_is_what_model_and_thinking_allow(
    model: str, fields: dict, expected: dict, lost: tuple[str, ...]
) -> None:
    body = sent(fields, call(model))
    assert {key: body[key] for key in ("temperature", "top_p", "top_k") if key in body} == expected
    assert dropped(fields, model=model) == lost


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": True},
        {"seed": 1},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"logit_bias": {"1": 1}},
        {"store": True},
        {"metadata": {"a": "b"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"verbosity": "low"},
        {"service_tier": "flex"},
        {"prompt_cache_key": "k"},
    ],
)
def test_parameter_without_equivalent_is_dropped_and_named_or_rejected_by_policy(fields: dict) -> None:
    (name,) = fields
    assert dropped(fields) == (name,)
    assert name not in sent(fields)
    error = refused(fields, extra_params="reject")
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, name)


def test_parameters_that_ask_for_nothing_are_not_reported() -> None:
    fields = {"logprobs": False, "frequency_penalty": 0, "store": False, "n": 1, "logit_bias": {}, "stream": True}
    assert dropped(fields) == ()


def test_unknown_fields_follow_the_policy() -> None:
    extra = {"mcp_servers": [{"name": "x"}]}
    assert dropped({}, extra=extra) == ("mcp_servers",)
    at = call(extra=extra, extra_params="forward")
    assert json.loads(translation({}, at).encode())["mcp_servers"] == extra["mcp_servers"]
    assert refused({}, extra=extra, extra_params="reject").param == "mcp_servers"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"format": "wav", "voice": "x"}}, "audio"),
    ],
)
def test_parameter_that_changes_the_meaning_is_refused(fields: dict, param: str) -> None:
    error = refused(fields)
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, param)


def test_stop_sequences_of_whitespace_are_dropped_and_named() -> None:
    assert sent({"stop": "END"})["stop_sequences"] == ["END"]
    assert sent({"stop": ["\n", "END"]})["stop_sequences"] == ["END"]
    assert "stop_sequences" not in sent({"stop": "\n\n"})
    assert dropped({"stop": ["\n"]}) == ("stop",)


def test_user_is_sent_as_a_hash() -> None:
    expected = hashlib.sha256(b"a@b.example").hexdigest()
    assert sent({"user": "a@b.example"})["metadata"] == {"user_id": expected}
    assert sent({"user": "other", "safety_identifier": "a@b.example"})["metadata"] == {"user_id": expected}
