"""The echo model keeps the contract that every adapter keeps (TRAPS 4, 21)."""

import json

import msgspec
import pytest

from adapters.base import Deployment
from adapters.conformance import ConformanceCase, check
from adapters.echo import EchoAdapter
from schemas.chat_request import ChatRequest

TOOLS = [
    {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "required": ["q"]}}},
    {"type": "custom", "custom": {"name": "shell"}},
]
REQUESTS = {
    "text": {},
    "empty text": {"messages": [{"role": "user", "content": ""}]},
    "three choices": {"n": 3},
    "log probabilities": {"logprobs": True, "top_logprobs": 2},
    "large pieces in bursts": {"metadata": {"echo": "tokens=50 chunk=7 burst=4"}},
    "reasoning": {"metadata": {"echo": "reasoning=9"}},
    "refusal": {"metadata": {"echo": "refusal=true"}},
    "cut by max_tokens": {"max_tokens": 2},
    "cut within the reasoning": {"max_completion_tokens": 2, "metadata": {"echo": "reasoning=9"}},
    "one tool": {"tools": TOOLS, "tool_choice": "required"},
    "two tools of both kinds": {"tools": TOOLS, "metadata": {"echo": "tool=look_up,shell reasoning=2"}, "n": 2},
    "cut tool arguments": {"tools": TOOLS, "tool_choice": "required", "max_tokens": 1},
    "structured output": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer"}}}
    },
    "cached prompt": {"metadata": {"echo": "cached=3"}},
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_echo_every_feature_conforms(name: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello, what is the weather?"}], **REQUESTS[name]}
    await check(
        ConformanceCase(
            name=name,
            adapter=EchoAdapter,
            deployment=Deployment(id="d", model="m", provider="p", adapter="echo", upstream_model="echo"),
            request=msgspec.json.decode(json.dumps(body), type=ChatRequest),
        )
    )
