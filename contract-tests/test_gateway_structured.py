"""Structured output through the whole gateway: an answer that follows the client's schema, whole and streamed alike."""

import json
from collections.abc import Iterator

import jsonschema_rs
import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import TOKEN, RunningGateway

MODELS = ["gpt", "gpt-azure", "llama", "claude", "gemini"]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who are you? Answer as JSON."}]
STRICT = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 60}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
# Constrained decoding holds no recursion: a provider that refuses it answers by a tool.
TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "required": ["root"],
    "additionalProperties": False,
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "child": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
            },
            "required": ["name", "child"],
            "additionalProperties": False,
        }
    },
}


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("schema", [STRICT, TREE], ids=["strict", "tree"])
def test_answer_follows_the_schema_and_ends_with_stop_whole_and_streamed(
    client: openai.OpenAI, model: str, schema: dict
) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    asked = {"model": model, "messages": HELLO, "response_format": wanted, "max_tokens": 200}
    whole = client.chat.completions.create(**asked).choices[0]
    chunks = list(client.chat.completions.create(**asked, stream=True))

    assert (whole.finish_reason, whole.message.tool_calls) == ("stop", None)
    jsonschema_rs.validate(schema, json.loads(whole.message.content or ""))
    streamed = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert json.loads(streamed) == json.loads(whole.message.content or "")
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert not any(choice.delta.tool_calls for chunk in chunks for choice in chunk.choices)


def test_recursive_schema_becomes_a_forced_tool_where_decoding_cannot_hold_it(
    client: openai.OpenAI, mocks: Mocks
) -> None:
    for schema in (STRICT, TREE):
        wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
        client.chat.completions.create(model="claude", messages=HELLO, response_format=wanted)
    native, tool = (exchange.request.json() for exchange in mocks.anthropic.exchanges)
    assert native["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "tools" not in native
    assert tool["tool_choice"]["type"] == "tool"
    assert "output_config" not in tool


@pytest.mark.parametrize("model", MODELS)
def test_schema_beside_tools_is_taken_and_reaches_the_provider(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    """Gemini 2.5 refuses the two together: there the answer is one more tool, and nothing is left out."""
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": STRICT, "strict": True}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    asked = {"model": model, "messages": HELLO, "response_format": wanted, "tools": [tool], "max_tokens": 200}
    client.chat.completions.create(**asked)

    (request,) = [request for upstream in mocks.all() for request in upstream.requests]
    assert b"age" in request.body
    assert (gateway.rows(1)[0]["dropped_params"] or []) == []
