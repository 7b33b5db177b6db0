"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21)."""

import json

import msgspec
import pytest

from adapters.anthropic import AnthropicAdapter
from adapters.base import Deployment, Secret
from adapters.conformance import ConformanceCase, check
from schemas.chat_request import ChatRequest
from tests.adapters.anthropic import exchanges
from tests.adapters.anthropic.exchanges import REDACTED, SEARCH, text, thinking, tool_use, web_citation

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
SCHEMA = {"type": "object", "additionalProperties": {"type": "integer"}}
CASES = {
    "text": ({}, [text("Sunny, 21 °C.")], {}),
    "empty": ({}, [], {}),
    "several texts": ({}, [text("Sunny, "), text("21 °C.")], {"stop": "max_tokens"}),
    "thinking and parallel tools": (
        {"tools": [WEATHER]},
        [
            thinking("Ulm, then."),
            text("Let me see."),
            tool_use("get_weather", "toolu_1", city="Ulm"),
            tool_use("get_weather", "toolu_2"),
        ],
        {"stop": "tool_use"},
    ),
    "redacted and unsigned thinking": ({}, [REDACTED, thinking("", "c2ln"), thinking("Hm."), text("Yes.")], {}),
    "free-text tool": ({"tools": [SHELL]}, [tool_use("shell", "toolu_1", input="ls -l")], {"stop": "tool_use"}),
    "deprecated functions": (
        {"functions": [WEATHER["function"]]},
        [tool_use("get_weather", "toolu_1", city="Ulm")],
        {"stop": "tool_use"},
    ),
    "unusable and repeated ids": (
        {"tools": [WEATHER]},
        [tool_use("get_weather", "a b", city="Ulm"), tool_use("get_weather", "t1"), tool_use("get_weather", "t1")],
        {"stop": "tool_use"},
    ),
    "cited search": (
        {"web_search_options": {}},
        [text("Found: "), *SEARCH, text("Ulm is sunny.", web_citation("https://ulm.example", "Ulm")), text(" So.")],
        {},
    ),
    "refusal in the provider's words": (
        {},
        [text("I can")],
        {"stop": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "Not this."}},
    ),
    "refusal in the model's words": ({}, [text("I won't.")], {"stop": "refusal"}),
    "refusal without a word": ({}, [], {"stop": "refusal"}),
    "answer by a tool": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        [tool_use("json_tool_call", "toolu_1", ulm=21)],
        {"stop": "tool_use"},
    ),
    "stop sequence": ({"stop": "END"}, [text("Sunny")], {"stop": "stop_sequence"}),
    "unknown reason": ({}, [text("Sunny")], {"stop": "sunset"}),
    "compaction": ({}, [{"type": "compaction", "content": "In short."}, text("Sunny")], {"stop": "compaction"}),
}


@pytest.mark.parametrize("name", CASES)
async def test_anthropic_every_form_of_answer_conforms(name: str) -> None:
    fields, blocks, end = CASES[name]
    body = {"model": "m", "messages": [{"role": "user", "content": "What is the weather in Ulm?"}], **fields}
    await check(
        ConformanceCase(
            name=name,
            adapter=AnthropicAdapter,
            deployment=Deployment(
                id="d",
                model="m",
                provider="p",
                adapter="anthropic",
                upstream_model="claude-sonnet-4-5",
                base_url="https://upstream.example",
                credential=Secret("canary-0123456789"),
            ),
            request=msgspec.json.decode(json.dumps(body), type=ChatRequest),
            whole=exchanges.whole(*blocks, **end),
            stream=exchanges.stream(*blocks, **end),
            error_body=exchanges.encode(exchanges.ERROR),
            error_event=exchanges.event(exchanges.ERROR),
            unknown_event=exchanges.event({"type": "news", "delta": 3, "index": "x"}),
        )
    )
