"""Conversations that clients get wrong, or write in ways of their own, to every provider through the running gateway.

Each is translated to what the provider takes, which the mock judges by the provider's rules, or refused by the gateway
itself with a 400 that names the JSON path. Nothing in between: no 500, and no provider's 400 about a body of ours.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import openai
import pytest
from gateway_fixtures import Mocks
from raw_http import ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from test_gateway_errors import MOCKS
from upstreams import Upstream

CHAT = "/v1/chat/completions"
LONG = "call_" + "x" * 10_000
HI = {"role": "user", "content": "Hi"}
AND = {"role": "user", "content": "And?"}


def tool(name: str, schema: object | None = None) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": schema or {"type": "object"}}}


def calls(*ids: str, arguments: str = "{}") -> dict:
    made = [{"id": one, "type": "function", "function": {"name": "f", "arguments": arguments}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(call_id: str) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": "42"}


class Odd(NamedTuple):
    """`path`: where it may be refused; None where every provider can be asked."""

    messages: list[dict]
    path: str | None = None
    tools: list[dict] = [tool("f")]  # noqa: RUF012 - never changed


WIDE = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(10_000)}}
ODD = {
    "result without a call": Odd([HI, {"role": "assistant", "content": "Ho"}, result("call_1")], "messages[2]"),
    "result of another call": Odd([HI, calls("call_1"), result("call_2")], "messages["),
    "call without its result": Odd([HI, calls("call_1"), AND], "messages[1]"),
    "one of two results": Odd([HI, calls("call_1", "call_2"), result("call_1"), AND], "messages["),
    "result given twice": Odd([HI, calls("call_1"), result("call_1"), result("call_1"), AND], "messages[3]"),
    "same id for two calls": Odd([HI, calls("call_1", "call_1"), result("call_1"), result("call_1")], "messages["),
    "arguments no JSON": Odd([HI, calls("c", arguments="{oops"), result("c")], "messages[1].tool_calls[0]"),
    "arguments no object": Odd([HI, calls("c", arguments="[1]"), result("c")], "messages[1].tool_calls[0]"),
    "arguments empty": Odd([HI, calls("c", arguments=""), result("c")]),
    "very long ids": Odd([HI, calls(LONG, LONG + "y"), result(LONG), result(LONG + "y")]),
    "ids of odd characters": Odd([HI, calls("ä/ö ü", "\0"), result("ä/ö ü"), result("\0")]),
    "empty messages": Odd([{"role": "system", "content": ""}, HI, {"role": "assistant", "content": ""}, AND]),
    "empty user message": Odd([HI, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": ""}]),
    "nothing but blank parts": Odd([{"role": "user", "content": [{"type": "text", "text": ""}]}], "messages"),
    "no parts": Odd([{"role": "user", "content": []}, HI]),
    "answer of nothing": Odd([HI, {"role": "assistant", "content": None}, AND]),
    "user twice": Odd([HI, AND, AND]),
    "assistant twice": Odd([HI, {"role": "assistant", "content": "Ho"}, {"role": "assistant", "content": "Hm"}, AND]),
    "assistant first": Odd([{"role": "assistant", "content": "Ho"}, AND]),
    "system late": Odd([HI, {"role": "system", "content": "Be brief."}, AND]),
    "system alone": Odd([{"role": "system", "content": "Say hello."}]),
    "NUL": Odd([{"role": "user", "content": "a\0b"}, {"role": "assistant", "content": "\0"}, AND]),
    "300 tools": Odd([HI], "tools", [tool(f"tool_{number}") for number in range(300)]),
    "10,000 properties": Odd([HI], "tools[0]", [tool("f", WIDE)]),
}  # fmt: skip
MODELS = {**MOCKS, "echo": ""}


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("model", MODELS)
def test_odd_history_is_translated_or_refused_with_its_path(
    client: openai.OpenAI, mocks: Mocks, model: str, name: str
) -> None:
    odd = ODD[name]
    upstream: Upstream | None = getattr(mocks, MODELS[model]) if MODELS[model] else None
    refusal: openai.BadRequestError | None = None
    try:
        answer = client.chat.completions.create(model=model, messages=odd.messages, tools=odd.tools)  # type: ignore[arg-type]
        assert answer.choices[0].finish_reason in {"stop", "tool_calls", "length"}
    except openai.BadRequestError as error:
        refusal = error
    assert upstream is None or len(upstream.requests) == (0 if refusal else 1)
    assert refusal is None or (odd.path is not None and str(refusal.param).startswith(odd.path)), refusal


@pytest.mark.parametrize("model", MODELS)
def test_unknown_part_and_lone_surrogate_are_refused_before_any_provider_is_asked(
    gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    for content, code, param in (
        ([{"type": "hologram", "hologram": {}}], "invalid_value", "messages[0].content[0].type"),
        ("\ud800", "invalid_json", None),
    ):
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]}).encode()
        answer = ask(gateway.port, request_bytes(CHAT, body, token=TOKEN))
        assert (answer.status, answer.error()["code"], answer.error()["param"]) == (400, code, param)
    assert all(upstream.requests == [] for upstream in mocks.all())
