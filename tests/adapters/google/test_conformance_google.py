"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21)."""

import pytest

from adapters.conformance import ConformanceCase, check
from adapters.google import GoogleAdapter
from tests.adapters.google import exchanges
from tests.adapters.google.exchanges import SIGNATURE, call, text
from tests.adapters.google.translate import deployment, request

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
GROUNDED = {
    "groundingMetadata": {
        "groundingChunks": [{"web": {"uri": "https://ulm.example", "title": "Ulm"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 8, "endIndex": 15, "text": "21 °C."}, "groundingChunkIndices": [0, 9]}
        ],
    }
}
LOGPROBS = {
    "logprobsResult": {
        "chosenCandidates": [{"token": "Sunny", "logProbability": -0.1}],
        "topCandidates": [{"candidates": [{"token": "Sunny", "logProbability": -0.1}, {"token": "Fog"}]}],
    }
}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}, "thoughtSignature": SIGNATURE}
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
CODE_RESULT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}
CASES = {
    "text": ({}, [text("Sunny, 21 °C.")], {}),
    "empty": ({}, [], {}),
    "cut": ({}, [text("Sunny")], {"finish": "MAX_TOKENS"}),
    "cut call": ({"tools": [WEATHER]}, [call("get_weather", "c1", city="U")], {"finish": "MAX_TOKENS"}),
    "thinking and parallel tools": (
        {"tools": [WEATHER]},
        [
            text("Ulm, then.", thought=True),
            text("Let me see."),
            call("get_weather", "x8i00o1q", SIGNATURE, city="Ülm"),
            call("get_weather", "dv8szvqe"),
        ],
        {},
    ),
    "signed text": ({}, [text("Hm, Ulm.", thought=True), text("Sunny.", thoughtSignature=SIGNATURE)], {}),
    "missing, unusable and repeated ids": (
        {"tools": [WEATHER]},
        [
            call("get_weather"),
            call("get_weather", "a b", city="Ulm"),
            call("get_weather", "t"),
            call("get_weather", "t"),
        ],
        {},
    ),
    "free-text tool": ({"tools": [SHELL]}, [call("shell", "c1", SIGNATURE, input="ls -l")], {}),
    "filtered": ({}, [text("I can")], {"finish": "SAFETY"}),
    "enum as a number": ({}, [text("Sunny")], {"finish": 2}),
    "unknown reason": ({}, [text("Sunny")], {"finish": "SUNSET"}),
    "grounded": ({"web_search_options": {}}, [text("Sunny, 21 °C.")], GROUNDED),
    "log probabilities": ({"logprobs": True}, [text("Sunny")], LOGPROBS),
    "code that Google ran": ({}, [CODE, CODE_RESULT, text("It is 1.")], {}),
    "image": ({}, [text("Here:"), IMAGE], {}),
    "audio": ({}, [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "cGNt"}}], {}),
}


@pytest.mark.parametrize("name", CASES)
async def test_google_every_form_of_answer_conforms(name: str) -> None:
    fields, parts, end = CASES[name]
    await check(
        ConformanceCase(
            name=name,
            adapter=GoogleAdapter,
            deployment=deployment(base_url="https://upstream.example"),
            request=request(**fields),
            whole=exchanges.whole(*parts, **end),
            stream=exchanges.stream(*parts, **end),
            error_body=exchanges.encode(exchanges.ERROR),
            error_event=exchanges.event(exchanges.ERROR),
            unknown_event=exchanges.event({"news": [1]}),
        )
    )


async def test_google_blocked_prompt_conforms() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}, **exchanges.HEAD}
    await check(
        ConformanceCase(
            name="blocked prompt",
            adapter=GoogleAdapter,
            deployment=deployment(base_url="https://upstream.example"),
            request=request(),
            whole=exchanges.encode(body),
            stream=exchanges.event(body),
            error_event=exchanges.event(exchanges.ERROR),
        )
    )
