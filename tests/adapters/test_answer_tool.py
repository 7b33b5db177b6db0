"""The tool that a model calls with its answer, over all dialects that have no form of the answer beside tools.

What is said and called first counts, and a stream says the same as a whole answer.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from adapters import registry
from adapters.answer_tool import JSON_TOOL
from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.conformance.case import Played, PlayedTransport
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletionChunk
from tests.adapters.anthropic import exchanges as anthropic
from tests.adapters.bedrock import exchanges as bedrock
from tests.adapters.cohere import exchanges as cohere
from tests.adapters.google import exchanges as google

Json = dict[str, Any]
SCHEMA = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NAMESAKE = {"type": "function", "function": {"name": JSON_TOOL}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "description": "The sky.", "schema": SCHEMA}}
# name: adapter, a model that has no form of the answer beside tools
DIALECTS = {
    "anthropic": ("anthropic", "claude-sonnet-4-0"),
    "bedrock_claude": ("bedrock", "anthropic.claude-opus-4-1-20250805-v1:0"),
    "bedrock_nova": ("bedrock", "amazon.nova-pro-v1:0"),
    "google": ("google", "gemini-2.5-flash"),
    "cohere": ("cohere", "command-a-03-2025"),
}
# what the model does, in order; what the client reads: content and names of calls
ANSWERS: dict[str, tuple[list[str], str | None, list[str]]] = {
    "answer": (["form"], '{"sky":"blue"}', []),
    "words before the answer": (["Here", "form"], '{"sky":"blue"}', []),
    "the answer twice": (["form", "form"], '{"sky":"blue"}', []),
    "a tool": (["f"], None, ["f"]),
    "words before a tool": (["Let me see", "f"], "Let me see", ["f"]),
    "the answer, then a tool": (["form", "f"], '{"sky":"blue"}', ["f"]),
    "a tool, then the answer": (["f", "form", "f"], None, ["f", "f"]),
    "words, a tool, then the answer": (["Let me see", "f", "form"], "Let me see", ["f"]),
    "words alone": (["I do not know."], "I do not know.", []),
}


def made(dialect: str, steps: list[str]) -> tuple[bytes, bytes]:
    """An answer of these steps, whole and streamed."""
    calls = {"form": (JSON_TOOL, {"sky": "blue"}), "f": ("f", {})}
    has_calls = any(step in calls for step in steps)
    if dialect == "cohere":
        wanted = [calls[step] for step in steps if step in calls]
        content = [cohere.text(step) for step in steps if step not in calls]
        called = [
            cohere.call(f"c{number}", name, json.dumps(arguments, separators=(",", ":")))
            for number, (name, arguments) in enumerate(wanted)
        ]
        fields = {"calls": called, "finish": "TOOL_CALL" if has_calls else "COMPLETE"}
        return cohere.whole(*content, **fields), cohere.stream(*content, **fields)
    blocks: list[Json] = []
    for number, step in enumerate(steps):
        name, arguments = calls.get(step, ("", {}))
        if dialect == "anthropic":
            made_call = anthropic.tool_use(name, f"toolu_{number}", **arguments)
            blocks.append(made_call if name else anthropic.text(step))
        elif dialect == "google":
            blocks.append(google.call(name, f"c{number}", **arguments) if name else google.text(step))
        else:
            blocks.append(bedrock.call(name, f"t{number}", **arguments) if name else bedrock.text(step))
    if dialect == "google":
        return google.whole(*blocks), google.stream(*blocks)
    stop = "tool_use" if has_calls else "end_turn"
    dialect_exchanges: Any = anthropic if dialect == "anthropic" else bedrock
    return dialect_exchanges.whole(*blocks, stop=stop), dialect_exchanges.stream(*blocks, stop=stop)


def ready(
    dialect: str, document: Mapping[str, object], answer: bytes, media: str = "application/json"
) -> tuple[SupportsChat, ChatRequest, Call, PlayedTransport]:
    adapter_type, model = DIALECTS[dialect]
    body = {"model": "m", "messages": [{"role": "user", "content": "Sky?"}], **document}
    request = msgspec.json.decode(json.dumps(body), type=ChatRequest)
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter=adapter_type,
        upstream_model=model,
        credential=Secret("AKIDEXAMPLE:wJalrXUtnFEMI"),
        options={"region": "us-east-1"} if adapter_type == "bedrock" else {},
    )
    transport = PlayedTransport(Played([answer], headers={"content-type": media}))
    adapter = registry.build(adapter_type, transport)
    assert isinstance(adapter, SupportsChat)
    return adapter, request, Call(deployment=deployment, request_id="r", deadline=1e12), transport


BESIDE = {"tools": [TOOL], "response_format": FORMAT}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ANSWERS)
async def test_what_is_said_and_called_first_counts_whole_and_streamed(dialect: str, name: str) -> None:
    steps, content, calls = ANSWERS[name]
    whole, streamed = made(dialect, steps)
    finish = "tool_calls" if calls else "stop"

    adapter, request, call, _ = ready(dialect, BESIDE, whole)
    (choice,) = (await adapter.chat(request, call)).body.choices
    assert (choice.message.content, choice.finish_reason) == (content, finish)
    assert [one.function.name for one in choice.message.tool_calls or ()] == calls

    media = "text/event-stream" if "bedrock" not in dialect else "application/vnd.amazon.eventstream"
    adapter, request, call, _ = ready(dialect, BESIDE, streamed, media)
    chunks: list[ChatCompletionChunk] = []
    async for several in await adapter.chat_stream(request, call):
        chunks += several
    deltas = [one.delta for chunk in chunks for one in chunk.choices]
    assert ("".join(delta.content or "" for delta in deltas) or None) == content
    assert [one.function.name for delta in deltas for one in delta.tool_calls or () if one.id] == calls
    assert [one.finish_reason for chunk in chunks for one in chunk.choices if one.finish_reason] == [finish]


def sent_tools(dialect: str, body: Json) -> tuple[list[str], bool]:
    """The names of the tools, and whether one must be called."""
    if dialect == "google":
        declared = [one["name"] for group in body.get("tools", ()) for one in group["functionDeclarations"]]
        return declared, body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode") == "ANY"
    if "bedrock" in dialect:
        config = body.get("toolConfig", {})
        return [one["toolSpec"]["name"] for one in config.get("tools", ())], "any" in config.get("toolChoice", {})
    if dialect == "cohere":
        names = [one["function"]["name"] for one in body.get("tools", ())]
        return names, body.get("tool_choice") == "REQUIRED"
    return [one["name"] for one in body.get("tools", ())], body.get("tool_choice", {}).get("type") == "any"


async def sent(dialect: str, document: Mapping[str, object]) -> tuple[Json, tuple[str, ...]]:
    whole, _ = made(dialect, ["hello"])
    adapter, request, call, transport = ready(dialect, document, whole)
    result = await adapter.chat(request, call)
    return json.loads(transport.requests[-1].body), result.dropped_params


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("choice", [None, "auto"])
async def test_tool_for_the_answer_stands_beside_the_clients_and_one_must_be_called(
    dialect: str, choice: str | None
) -> None:
    body, dropped = await sent(dialect, BESIDE | ({"tool_choice": choice} if choice else {}))
    assert sent_tools(dialect, body) == (["f", JSON_TOOL], True)
    assert "The sky." in json.dumps(body)
    assert "response_format" not in dropped


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_some_allowed_tools_stand_beside_the_answer(dialect: str) -> None:
    reference = {"type": "function", "function": {"name": "f"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [reference]}}
    other = {"type": "function", "function": {"name": "g"}}
    body, _ = await sent(dialect, {**BESIDE, "tools": [TOOL, other], "tool_choice": choice})
    names, demanded = sent_tools(dialect, body)
    if dialect == "google":
        names = body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"]
    assert (names, demanded) == (["f", JSON_TOOL], True)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_demanded_call_of_the_clients_tools_leaves_no_room_for_an_answer(dialect: str) -> None:
    body, dropped = await sent(dialect, {**BESIDE, "tool_choice": "required"})
    assert sent_tools(dialect, body) == (["f"], True)
    assert not {"response_format", "responseJsonSchema", "responseMimeType"} & {
        *body,
        *body.get("generationConfig", ()),
    }
    assert "response_format" not in dropped


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tools_that_must_not_be_called_leave_room_for_the_providers_own_form(dialect: str) -> None:
    body, _ = await sent(dialect, {**BESIDE, "tool_choice": "none"})
    names, _ = sent_tools(dialect, body)
    assert "f" not in names
    assert '"sky"' in json.dumps(body)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_clients_tool_of_the_same_name_is_another_one(dialect: str) -> None:
    body, _ = await sent(dialect, {**BESIDE, "tools": [NAMESAKE]})
    names, _ = sent_tools(dialect, body)
    assert len(set(names)) == 2
    assert names[1] == JSON_TOOL


@pytest.mark.parametrize("dialect", ["google", "cohere"])
@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"type": "json_object"}, ()),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}, ("response_format",)),
    ],
)
async def test_form_that_no_tool_can_hold_is_told_in_words(dialect: str, wanted: Json, named: tuple[str, ...]) -> None:
    body, dropped = await sent(dialect, {"tools": [TOOL], "response_format": wanted})
    assert sent_tools(dialect, body) == (["f"], False)
    assert "Answer with one valid JSON object" in json.dumps(body)
    assert dropped == named
