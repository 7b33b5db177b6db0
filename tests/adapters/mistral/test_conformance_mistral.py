"""The adapter keeps the contract in every form that an answer takes (TRAPS 1, 4, 19, 20, 21)."""

import json

import msgspec
import pytest

from adapters.base import Deployment, Secret
from adapters.conformance import ConformanceCase, check
from adapters.mistral import MistralAdapter
from adapters.openai.tool_forms import NAMES
from schemas.chat_request import ChatRequest
from tests.adapters.mistral import exchanges
from tests.adapters.mistral.exchanges import call, reference, text, thinking

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
SHELL = {"type": "custom", "custom": {"name": "run.shell", "description": "Runs a command."}}
SOURCES = '{"0":{"url":"https://ulm.example","title":"Ulm"},"1":{"url":"https://sun.example"},"2":{"title":"no url"}}'
ASKED = [
    {"role": "user", "content": "What is the weather in Ulm?"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "abcdefghi", "content": SOURCES},
]
TOOL_REFERENCE = {"type": "tool_reference", "tool": "web_search", "title": "News", "url": "https://news.example"}
CASES = {
    "text": ({}, "Sunny, 21 °C.", (), "stop"),
    "empty": ({}, "", (), "stop"),
    "cut": ({}, "Sunny", (), "length"),
    "cut at the model's end": ({}, "Sunny", (), "model_length"),
    "thinking": ({"reasoning_effort": "high"}, [thinking("Hm, Ulm."), text("Sunny.")], (), "stop"),
    "parallel tools": (
        {"tools": [WEATHER]},
        "Let me see.",
        [call("uNfcQGgtW", "get_weather", '{"city":"Ülm"}'), call("6SmIVvgTb", "get_weather", "{}")],
        "tool_calls",
    ),
    "free-text tool and a name that is put back": (
        {"tools": [SHELL, WEATHER]},
        "",
        [call("uNfcQGgtW", NAMES.renamed("run.shell"), '{"input":"ls"}'), call("6SmIVvgTb", "get_weather", "{}")],
        "tool_calls",
    ),
    "references": (
        {},
        [text("Sunny"), reference(0, "1"), text(" and warm"), reference(2, 9), TOOL_REFERENCE, text(".")],
        (),
        "stop",
    ),
}


def deployment() -> Deployment:
    return Deployment(
        id="d",
        model="public",
        provider="p",
        adapter="mistral",
        upstream_model="magistral",
        base_url="https://upstream.example/v1",
        credential=Secret("canary-0123456789"),
    )


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


@pytest.mark.parametrize("name", CASES)
async def test_mistral_every_form_of_answer_conforms(name: str) -> None:
    fields, content, calls, finish = CASES[name]
    await check(
        ConformanceCase(
            name=name,
            adapter=MistralAdapter,
            deployment=deployment(),
            request=request(**fields),
            whole=exchanges.whole(content, calls, finish),
            stream=exchanges.stream(content, calls, finish),
            error_body=exchanges.encode(exchanges.ERROR),
            error_event=b"data: " + exchanges.encode(exchanges.ERROR) + b"\n\n",
        )
    )
