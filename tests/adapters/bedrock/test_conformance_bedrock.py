"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21).

The suite rewrites server-sent events; `frames.framing` makes a frame of each, so the same faults reach the adapter.
"""

import pytest

from adapters.bedrock import BedrockAdapter
from adapters.conformance import ConformanceCase, check
from adapters.transport import Transport
from tests.adapters.bedrock import exchanges
from tests.adapters.bedrock.exchanges import call, cited, image, redacted, server_call, server_result, text, thinking
from tests.adapters.bedrock.frames import framing
from tests.adapters.bedrock.translate import deployment, request

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
SCHEMA = {"name": "weather", "schema": {"type": "object", "properties": {"sky": {"type": "string"}}}}
NOVA = "us.amazon.nova-2-lite-v1:0"
GUARDRAIL = {"guardrail": {"modelOutput": ["secret"], "actionReason": "masked"}}
# name: request, model, blocks, reason and the fields beside them
CASES = {
    "text": ({}, NOVA, [text("Sunny, 21 °C.")], {}),
    "empty": ({}, NOVA, [], {}),
    "cut": ({}, NOVA, [text("Sunny")], {"stop": "max_tokens"}),
    "too long": ({}, NOVA, [text("Sunny")], {"stop": "model_context_window_exceeded"}),
    "cut call": ({"tools": [WEATHER]}, NOVA, [call("get_weather", "t1", city="U")], {"stop": "max_tokens"}),
    "thinking and parallel tools": (
        {"tools": [WEATHER]},
        None,
        [
            thinking("Ulm, then."),
            redacted(),
            text("Let me see."),
            call("get_weather", "tooluse_A", city="Ülm"),
            call("get_weather", "tooluse_B"),
        ],
        {"stop": "tool_use"},
    ),
    "unusable and repeated ids": (
        {"tools": [WEATHER]},
        NOVA,
        [call("get_weather", "a.b:c"), call("get_weather", "t"), call("get_weather", "t", city="Ulm")],
        {"stop": "tool_use"},
    ),
    "free-text tool": ({"tools": [SHELL]}, NOVA, [call("shell", "t1", input="ls -l")], {"stop": "tool_use"}),
    "legacy function": (
        {"functions": [WEATHER["function"]]},
        NOVA,
        [call("get_weather", "t1", city="Ulm")],
        {"stop": "tool_use"},
    ),
    "answer by tool": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        NOVA,
        [call("json_tool_call", "t1", sky="blue")],
        {"stop": "tool_use"},
    ),
    "guardrail": (
        {},
        NOVA,
        [text("{ADDRESS} is it.")],
        {"stop": "guardrail_intervened", "trace": GUARDRAIL, "serviceTier": {"type": "flex"}},
    ),
    "stop sequence": (
        {"stop": ["END"]},
        None,
        [text("Sunny.")],
        {"stop": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}},
    ),
    "prompt router": ({}, "arn:x", [text("Hi")], {"trace": {"promptRouter": {"invokedModelId": "arn:nova"}}}),
    "grounded": (
        {"web_search_options": {}},
        NOVA,
        [server_call(), server_result(), text("It is "), cited("Sunny.", "https://ulm.example/a"), text(" Bye.")],
        {},
    ),
    "images": ({}, NOVA, [text("Ulm: "), image(b"ulm-by-day"), image(b"ulm-by-night", "jpeg"), text("Bye.")], {}),
    "an image alone": ({}, NOVA, [image(b"ulm")], {}),
    "unknown reason": ({}, NOVA, [text("Sunny")], {"stop": "sunset"}),
}


def framed(transport: Transport) -> BedrockAdapter:
    return BedrockAdapter(framing(transport))


@pytest.mark.parametrize("name", CASES)
async def test_bedrock_every_form_of_answer_conforms(name: str) -> None:
    fields, model, blocks, end = CASES[name]
    at = deployment(model) if model else deployment()
    await check(
        ConformanceCase(
            name=name,
            adapter=framed,
            deployment=at,
            request=request(**fields),
            whole=exchanges.whole(*blocks, **end),
            stream=exchanges.server_sent(*exchanges.events(*blocks, **dict(end))),
            error_event=exchanges.server_sent(("!internalServerException", exchanges.ERROR)),
            unknown_event=exchanges.server_sent(("news", {"contentBlockIndex": "x"})),
        )
    )
