"""Automatic cache breakpoints stand behind tools, instructions and the last turn; the client's own are left alone."""

import json
from collections.abc import Mapping

import pytest

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from tests.adapters.provider_types import ACCEPT, accept
from tests.adapters.test_parameters import CONVERSE, SCHEMA
from tests.adapters.vertex.vertex_fixtures import CLAUDE, request

TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "g", "parameters": SCHEMA}},
]
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FIRST = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
LOOP = [
    *FIRST,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "toolu_1", "content": "Sunny."},
]
SONNET = "claude-sonnet-4-5"
ON_BEDROCK = "anthropic.claude-sonnet-4-5-20250929-v1:0"


async def sent(adapter_type: str, model: str, auto_cache: str | None, **fields: object) -> dict:
    options: Mapping[str, str] = {"region": "us-east-1", "project": "acme"}
    deployment = Deployment(
        id="d", model="m", provider="p", adapter=adapter_type, upstream_model=model, auto_cache=auto_cache,
        credential=Secret("AKIDEXAMPLE:wJalrXUtnFEMI"), options=options, extra_params="reject",
    )  # fmt: skip
    answer = CONVERSE if adapter_type == "bedrock" else CLAUDE
    transport = PlayedTransport(Played([json.dumps(answer).encode()]))
    adapter = registry.build(adapter_type, transport)
    assert isinstance(adapter, SupportsChat)
    await adapter.chat(request(**fields), Call(deployment=deployment, request_id="r", deadline=1e12))
    body = json.loads(transport.requests[-1].body)
    if adapter_type in ACCEPT:
        accept(adapter_type, body)
    return body


def marks(body: dict) -> list[tuple[str, dict]]:
    """Where the breakpoints stand, and what each says."""
    found: list[tuple[str, dict]] = []

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            found.extend((path, value[name]) for name in ("cache_control", "cachePoint") if name in value)
            for key, inner in value.items():
                walk(inner, f"{path}.{key}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path}[{index}]")

    walk(body, "")
    return sorted(found, key=lambda item: item[0])


@pytest.mark.parametrize(("adapter_type", "model"), [("anthropic", SONNET), ("vertex", SONNET)])
@pytest.mark.parametrize(("lifetime", "mark"), [("5m", {}), ("1h", {"ttl": "1h"})])
async def test_claude_gets_breakpoints_behind_tools_system_and_the_last_turn(
    adapter_type: str, model: str, lifetime: str, mark: dict
) -> None:
    body = await sent(adapter_type, model, lifetime, messages=FIRST, tools=TOOLS)
    wanted = {"type": "ephemeral", **mark}
    assert marks(body) == [(".messages[0].content[0]", wanted), (".system[0]", wanted), (".tools[1]", wanted)]


async def test_claude_gets_its_last_breakpoint_behind_a_tool_result() -> None:
    body = await sent("anthropic", SONNET, "5m", messages=LOOP, tools=TOOLS)
    assert [path for path, _ in marks(body)] == [".messages[2].content[0]", ".system[0]", ".tools[1]"]


async def test_client_with_a_breakpoint_of_its_own_keeps_it_alone() -> None:
    marked = [FIRST[0], {**FIRST[1], "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    body = await sent("anthropic", SONNET, "5m", messages=marked, tools=TOOLS)
    assert marks(body) == [(".messages[0].content[0]", {"type": "ephemeral", "ttl": "1h"})]


async def test_model_without_the_setting_gets_no_breakpoint() -> None:
    assert marks(await sent("anthropic", SONNET, None, messages=FIRST, tools=TOOLS)) == []


async def test_claude_on_bedrock_gets_cache_points() -> None:
    body = await sent("bedrock", ON_BEDROCK, "1h", messages=FIRST, tools=TOOLS)
    point = {"type": "default", "ttl": "1h"}
    assert marks(body) == [(".messages[0].content[1]", point), (".system[1]", point), (".toolConfig.tools[2]", point)]


async def test_nova_on_bedrock_gets_none_behind_tools_and_loses_nothing() -> None:
    body = await sent("bedrock", "amazon.nova-pro-v1:0", "5m", messages=FIRST, tools=TOOLS)
    assert [path for path, _ in marks(body)] == [".messages[0].content[1]", ".system[1]"]


async def test_model_without_cache_points_on_bedrock_is_left_alone() -> None:
    assert marks(await sent("bedrock", "meta.llama3-70b-instruct-v1:0", "5m", messages=FIRST)) == []
