"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21)."""

import pytest

from adapters.cohere import CohereAdapter
from adapters.conformance import ConformanceCase, check
from tests.adapters.cohere import exchanges
from tests.adapters.cohere.exchanges import call, cites, text, thinking
from tests.adapters.cohere.translate import deployment, request

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
CALL_A = call("get_weather_x9cnzmemn5h2", "get_weather", '{"city":"Ülm"}')
CALL_B = call("get_weather_8trmzqnee472", "get_weather", "{}")
CASES = {
    "text": ({}, [text("Sunny, 21 °C.")], {}),
    "empty": ({}, [], {}),
    "cut": ({}, [text("Sunny")], {"finish": "MAX_TOKENS"}),
    "stop sequence": ({"stop": "END"}, [text("Sunny")], {"finish": "STOP_SEQUENCE"}),
    "thinking": ({"reasoning_effort": "low"}, [thinking("Hm, Ulm."), text("Sunny.")], {}),
    "plan and parallel tools": (
        {"tools": [WEATHER]}, [], {"plan": "I will look it up.", "calls": [CALL_A, CALL_B], "finish": "TOOL_CALL"},
    ),
    "thinking, text and a tool": (
        {"tools": [WEATHER]}, [thinking("Hm."), text("Let me see.")], {"calls": [CALL_A], "finish": "TOOL_CALL"},
    ),
    "missing, unusable and repeated ids": (
        {"tools": [WEATHER]},
        [],
        {"calls": [call(i, "get_weather", '{"a":1}') for i in (None, "a b", "t", "t")], "finish": "TOOL_CALL"},
    ),
    "cut call": ({"tools": [WEATHER]}, [], {"calls": [call("c", "get_weather", '{"ci')], "finish": "MAX_TOKENS"}),
    "free-text tool": (
        {"tools": [SHELL]}, [], {"calls": [call("c1", "shell", '{"input":"ls"}')], "finish": "TOOL_CALL"},
    ),
    "citations": (
        {},
        [thinking("Hm."), text("Sunny "), text("in Ulm.")],
        {"citations": [
            cites(0, 5, 1, type="document", id="d", document={"url": "https://ulm.example", "title": "Ulm"}),
            cites(3, 6, 2, type="tool", id="https://ulm.example/2", tool_output={"roll": 1}),
            cites(3, 6, 2, type="tool", id="t:0", tool_output={"roll": 1}),
        ]},
    ),
    "log probabilities": (
        {"logprobs": True},
        [text("Sunny.")],
        {"logprobs": [
            {"text": "Sunny", "token_ids": [1], "logprobs": [-0.1]},
            {"text": ".", "token_ids": [2, 3], "logprobs": [-0.2, -0.3]},
        ]},
    ),
    "unknown reason": ({}, [text("Sunny")], {"finish": "SUNSET"}),
    "billed units alone": ({}, [text("Sunny")], {"usage": {"billed_units": {"input_tokens": 9, "output_tokens": 7}}}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_cohere_every_form_of_answer_conforms(name: str) -> None:
    fields, content, end = CASES[name]
    await check(
        ConformanceCase(
            name=name,
            adapter=CohereAdapter,
            deployment=deployment("command-a-plus-05-2026", base_url="https://upstream.example"),
            request=request(**fields),
            whole=exchanges.whole(*content, **end),
            stream=exchanges.stream(*content, **end),
            error_body=exchanges.encode(exchanges.ERROR),
            error_event=b"event: error\ndata: " + exchanges.encode(exchanges.ERROR) + b"\n\n",
            unknown_event=exchanges.named({"type": "brand-new-event", "index": 0, "delta": {"a": []}}),
        )
    )
