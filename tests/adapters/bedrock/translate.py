"""Models, tools and histories that tests ask with, and the translation of a request as a client writes it."""

import base64
import json

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret
from adapters.bedrock.request import Translation, to_converse
from adapters.errors import ProviderError
from schemas.chat_request import ChatRequest

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTION = [{"role": "user", "content": "Hi"}]
KEY = "AKIDEXAMPLE00000:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOVA = "us.amazon.nova-2-lite-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
OPUS = "anthropic.claude-opus-4-6-v1"
OLD = "anthropic.claude-3-sonnet-20240229-v1:0"
DATA = base64.b64encode(b"bytes").decode()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": CITY}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}
CALLED = {"id": "t1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Ulm"}'}}
LOOP = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "Let me see.", "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "t1", "content": "Sunny"},
]


def deployment(model: str = CLAUDE, **changes) -> Deployment:
    fields = {
        "id": "d",
        "model": "m",
        "provider": "p",
        "adapter": "bedrock",
        "upstream_model": model,
        "credential": Secret(KEY),
        "options": {"region": "us-east-1"},
    }
    return Deployment(**{**fields, **changes})


def call(model: str = CLAUDE, extra: dict | None = None, **changes) -> Call:
    unknown = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in (extra or {}).items()}
    return Call(deployment=deployment(model, **changes), request_id="r", deadline=9e9, extra_params=unknown)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": QUESTION, **fields}), type=ChatRequest)


def translation(fields: dict, at: Call | None = None) -> Translation:
    return to_converse(request(**fields), at or call())


def sent(fields: dict, at: Call | None = None) -> dict:
    """The body as the provider reads it."""
    return json.loads(translation(fields, at).encode())


def turns(messages: list[dict], at: Call | None = None, **fields) -> list[tuple[str, list[dict]]]:
    return [(turn["role"], turn["content"]) for turn in sent({"messages": messages, **fields}, at)["messages"]]


def names_of(body: dict) -> list[str]:
    return [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"] if "toolSpec" in tool]


def refused(fields: dict, at=None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sent(fields, at)
    return caught.value
