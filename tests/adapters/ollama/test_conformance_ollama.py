"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21)."""

import pytest

from adapters.conformance import ConformanceCase, check
from adapters.ollama import OllamaAdapter
from adapters.transport import Transport
from tests.adapters.ollama import exchanges
from tests.adapters.ollama.exchanges import call, framing
from tests.adapters.ollama.translate import call_of, request

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
TOKENS = [
    {"token": "Sun", "logprob": -0.1, "top_logprobs": [{"token": "Sun", "logprob": -0.1}]},
    {"token": "ny", "logprob": -0.2, "bytes": [110, 121]},
]
CASES = {
    "text": ({}, {"text": "Sunny, 21 °C."}),
    "empty": ({}, {"text": ""}),
    "cut": ({}, {"text": "Sunny", "reason": "length"}),
    "thinking": ({"reasoning_effort": "high"}, {"text": "Sunny.", "thinking": "Hm, Ulm."}),
    "parallel tools": (
        {"tools": [WEATHER]},
        {
            "text": "Let me see.",
            "calls": [call("call_a", "get_weather", {"city": "Ülm"}), call("call_b", "get_weather", {})],
        },
    ),
    "tools without ids, and with one twice": (
        {"tools": [WEATHER]},
        {"text": "", "calls": [call(one, "get_weather", {"n": 1}) for one in (None, None, "a", "a", "b c")]},
    ),
    "free-text tool": (
        {"tools": [SHELL, WEATHER]},
        {"text": "", "calls": [call("call_a", "shell", {"input": "ls"}), call("call_b", "get_weather", {})]},
    ),
    "log probabilities": ({"logprobs": True, "top_logprobs": 1}, {"text": "Sunny", "logprobs": TOKENS}),
    "unknown reason": ({}, {"text": "Sunny", "reason": "sunset"}),
}


def framed(transport: Transport) -> OllamaAdapter:
    return OllamaAdapter(framing(transport))


@pytest.mark.parametrize("name", CASES)
async def test_ollama_every_form_of_answer_conforms(name: str) -> None:
    fields, answer = CASES[name]
    await check(
        ConformanceCase(
            name=name,
            adapter=framed,
            deployment=call_of(base_url="https://upstream.example").deployment,
            request=request(**fields),
            whole=exchanges.whole(**answer),
            stream=exchanges.server_sent(*exchanges.lines(**answer)),
            error_body=exchanges.encode(exchanges.ERROR),
            error_event=exchanges.server_sent(exchanges.ERROR),
            unknown_event=exchanges.server_sent({"brand_new": {"a": 1}}),
        )
    )
