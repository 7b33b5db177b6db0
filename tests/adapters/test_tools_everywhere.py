"""Tools, over all dialects: schemas, names, ids, arguments, choices, and histories that do not fit (TRAPS 21).

A request goes in as clients write it; what is sent is read by `tests.adapters.meaning` and by the few lines of this
file that know where each provider has its tools.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.anthropic import exchanges as anthropic
from tests.adapters.bedrock import exchanges as bedrock
from tests.adapters.cohere import exchanges as cohere
from tests.adapters.dialects import DIALECTS, Sent, asked, sent, sent_or_refused
from tests.adapters.google import exchanges as google
from tests.adapters.meaning import READERS

Json = dict[str, Any]
HI = {"role": "user", "content": "Hi"}
SCHEMA = {
    "type": "object",
    "properties": {
        "where": {"$ref": "#/$defs/place"},
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    },
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}},
    "required": ["where"],
    "additionalProperties": False,
}
STRICT = tuple(name for name in DIALECTS if name != "openai")  # which itself takes any text as arguments
OPENAI_FORMAT = ("openai", "vllm", "deepseek", "openrouter", "mistral")


def tool(name: str = "f", parameters: Json | None = None) -> Json:
    schema = {} if parameters is None else {"parameters": parameters}
    return {"type": "function", "function": {"name": name, **schema}}


def call(call_id: str = "call_1", name: str = "f", arguments: str = "{}") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(call_id: str = "call_1", content: object = "r") -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def asks(*calls: Json) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def chosen(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> Json:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [chosen(name) for name in names]}}


# --- where each provider has its tools: name and schema


def openai_tools(body: Json) -> list[tuple[str, Json]]:
    return [(one["function"]["name"], one["function"].get("parameters")) for one in body.get("tools") or ()]


def anthropic_tools(body: Json) -> list[tuple[str, Json]]:
    return [(one["name"], one["input_schema"]) for one in body.get("tools") or ()]


def google_tools(body: Json) -> list[tuple[str, Json]]:
    declared = [one for group in body.get("tools") or () for one in group.get("functionDeclarations") or ()]
    return [(one["name"], one.get("parametersJsonSchema") or one.get("parameters")) for one in declared]


def bedrock_tools(body: Json) -> list[tuple[str, Json]]:
    specs = [one["toolSpec"] for one in body.get("toolConfig", {}).get("tools") or () if "toolSpec" in one]
    return [(one["name"], one["inputSchema"]["json"]) for one in specs]


TOOLS: dict[str, Callable[[Json], list[tuple[str, Json]]]] = {
    **dict.fromkeys((*OPENAI_FORMAT, "cohere", "ollama"), openai_tools),
    "anthropic": anthropic_tools,
    "google": google_tools,
    "bedrock": bedrock_tools,
    "bedrock_nova": bedrock_tools,
}


# --- schemas


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_schema_keeps_its_references_and_its_bounds(dialect: str) -> None:
    body = (await sent(dialect, {"messages": [HI], "tools": [tool(parameters=SCHEMA)]})).body
    ((_, schema),) = TOOLS[dialect](body)
    assert schema["$defs"] == SCHEMA["$defs"]
    assert schema["properties"] == SCHEMA["properties"]
    assert (schema["required"], schema["additionalProperties"]) == (["where"], False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("parameters", [None, {}, {"type": "object", "properties": {}}])
async def test_tool_without_parameters_is_one_that_takes_none(dialect: str, parameters: Json | None) -> None:
    body = (await sent(dialect, {"messages": [HI], "tools": [tool(parameters=parameters)]})).body
    ((name, schema),) = TOOLS[dialect](body)
    assert name == "f"
    assert (schema or {}).get("properties", {}) == {}


# --- names and ids


NAMES = {
    **dict.fromkeys(("anthropic",), r"[a-zA-Z0-9_-]{1,128}"),
    **dict.fromkeys(("bedrock", "bedrock_nova"), r"[a-zA-Z0-9_-]{1,64}"),
    "google": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}",
    "cohere": r"[a-zA-Z_][a-zA-Z0-9_]{0,63}",
}
ODD_NAMES = ["a/b", "a.b", "ä", "1st", "x" * 100, "a b", "mcp__s__t"]


@pytest.mark.parametrize("dialect", NAMES)
async def test_name_that_a_provider_refuses_is_replaced_everywhere_by_the_same_one(dialect: str) -> None:
    messages = [HI, asks(*(call(f"c{n}", name) for n, name in enumerate(ODD_NAMES)))]
    messages += [result(f"c{n}") for n in range(len(ODD_NAMES))]
    document = {"messages": [*messages, HI], "tools": [tool(name) for name in ODD_NAMES]}
    body = (await sent(dialect, {**document, "tool_choice": chosen("a/b")})).body
    declared = [name for name, _ in TOOLS[dialect](body)]
    called = [atom[2] for atom in READERS[dialect](body).atoms if atom[1] == "call"]
    assert len(set(called)) == len(ODD_NAMES)
    assert all(re.fullmatch(NAMES[dialect], name) for name in called)
    assert declared in (called, called[:1])  # some choose a tool by leaving the others out
    assert json.dumps(body).count(called[0]) >= 2


def called_by(dialect: str, name: str) -> tuple[bytes, bytes]:
    """Answers that call a tool by the name that the provider knows: whole, and streamed."""
    match dialect:
        case "anthropic":
            block = anthropic.tool_use(name, "toolu_1", a=1)
            return anthropic.whole(block, stop="tool_use"), anthropic.stream(block, stop="tool_use")
        case "google":
            part = google.call(name, "c1", a=1)
            return google.whole(part), google.stream(part)
        case "cohere":
            calls = [cohere.call("c1", name, '{"a":1}')]
            return cohere.whole(calls=calls, finish="TOOL_CALL"), cohere.stream(calls=calls, finish="TOOL_CALL")
        case _:
            block = bedrock.call(name, "c1", a=1)
            return bedrock.whole(block, stop="tool_use"), bedrock.stream(block, stop="tool_use")


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("name", ODD_NAMES)
async def test_name_comes_back_as_the_client_wrote_it_whole_and_streamed(dialect: str, name: str) -> None:
    document = {"messages": [HI], "tools": [tool(name)]}
    ((native, _),) = TOOLS[dialect]((await sent(dialect, document)).body)
    whole, streamed = called_by(dialect, native)
    adapter, request, at = asked(dialect, document, whole)
    (called,) = (await adapter.chat(request, at)).body.choices[0].message.tool_calls
    assert (called.function.name, json.loads(called.function.arguments)) == (name, {"a": 1})
    adapter, request, at = asked(dialect, document, streamed)
    chunks = [chunk async for chunks in await adapter.chat_stream(request, at) for chunk in chunks]
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or ()]
    assert [delta.function.name for delta in deltas if delta.id] == [name]
    assert json.loads("".join(delta.function.arguments or "" for delta in deltas)) == {"a": 1}


IDS = {
    "mistral": r"[a-zA-Z0-9]{9}",
    **dict.fromkeys((*(name for name in DIALECTS if name != "mistral"),), r"[a-zA-Z0-9_-]{1,64}"),
}
ODD_IDS = ["", "call_abc", "toolu_01", "functions.f:0", "x" * 65, "ä", "a b", "chatcmpl-tool-0123456789abcdef"]


def ids_of(dialect: str, body: Json) -> tuple[list[str], list[str]]:
    """The ids of calls and of results, in their order."""
    if dialect == "anthropic":
        blocks = [block for turn in body["messages"] for block in turn["content"]]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        return calls, [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if dialect == "google":
        parts = [part for content in body["contents"] for part in content["parts"]]
        calls = [part["functionCall"].get("id") for part in parts if "functionCall" in part]
        return calls, [part["functionResponse"].get("id") for part in parts if "functionResponse" in part]
    if dialect.startswith("bedrock"):
        blocks = [block for turn in body["messages"] for block in turn["content"]]
        calls = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        return calls, [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
    calls = [one["id"] for message in body["messages"] for one in message.get("tool_calls") or ()]
    return calls, [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_id_is_legal_unique_and_the_same_for_call_and_result_over_turns(dialect: str) -> None:
    messages = [HI, asks(*map(call, ODD_IDS)), *map(result, ODD_IDS)]
    first = ids_of(dialect, (await sent(dialect, {"messages": [*messages, HI]})).body)
    later = ids_of(
        dialect, (await sent(dialect, {"messages": [*messages, HI, {"role": "assistant", "content": "x"}, HI]})).body
    )
    calls, results = first
    assert calls == results
    assert later == first
    named = [one for one in calls if one is not None] if dialect == "google" else calls
    assert len(set(named)) == len(named) >= len(ODD_IDS) - 1
    if dialect != "google":  # whose ids are texts of any form
        assert all(re.fullmatch(IDS[dialect], one) for one in named)


# --- arguments


@pytest.mark.parametrize("dialect", STRICT)
@pytest.mark.parametrize("arguments", ["", "  ", "{}"])
async def test_empty_arguments_are_an_empty_object(dialect: str, arguments: str) -> None:
    body = (await sent(dialect, {"messages": [HI, asks(call(arguments=arguments)), result(), HI]})).body
    assert ("assistant", "call", "f", "{}") in READERS[dialect](body).atoms
    if dialect in OPENAI_FORMAT or dialect == "cohere":
        (called,) = [one for message in body["messages"] for one in message.get("tool_calls") or ()]
        assert json.loads(called["function"]["arguments"]) == {}


@pytest.mark.parametrize("dialect", STRICT)
@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "nonsense", '{"a":1}}'])
async def test_arguments_that_are_no_object_are_refused_with_their_path(dialect: str, arguments: str) -> None:
    found = await sent_or_refused(
        dialect, {"messages": [HI, asks(call(), call("c2", "f", arguments)), result(), result("c2")]}
    )
    assert isinstance(found, ProviderError)
    assert found.kind is ErrorKind.INVALID_REQUEST
    assert str(found.param).startswith("messages[1].tool_calls[1]")


# --- histories that do not fit

BROKEN: dict[str, tuple[list[Json], str]] = {
    "result without a call": ([HI, result()], "messages[1]"),
    "result of another call": ([HI, asks(call()), result("other")], "messages[2]"),
    "second result of one call": ([HI, asks(call()), result(), result()], "messages[3]"),
    "call without a result": ([HI, asks(call()), HI], "messages[1].tool_calls[0]"),
    "one of two calls without a result": ([HI, asks(call(), call("c2")), result(), HI], "messages[1].tool_calls[1]"),
    "call answered after the next question": ([HI, asks(call()), HI, result()], "messages[1].tool_calls[0]"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("history", BROKEN)
async def test_orphaned_call_or_result_is_refused_with_its_path(dialect: str, history: str) -> None:
    messages, path = BROKEN[history]
    found = await sent_or_refused(dialect, {"messages": messages, "tools": [tool()]})
    assert isinstance(found, ProviderError)
    assert found.kind is ErrorKind.INVALID_TOOL_HISTORY
    assert str(found.param).startswith(path)


# --- choices

TWO = [tool("f"), tool("g")]


def openai_choice(body: Json) -> object:
    choice = body.get("tool_choice")
    return choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else choice


def anthropic_choice(body: Json) -> object:
    choice = body.get("tool_choice")
    kinds = {None: None, "auto": "auto", "any": "required", "none": "none"}
    return choice["name"] if choice and choice["type"] == "tool" else kinds[choice and choice["type"]]


def google_choice(body: Json) -> object:
    config = body.get("toolConfig", {}).get("functionCallingConfig")
    if config is None:
        return None
    names = config.get("allowedFunctionNames") or []
    if config["mode"] == "ANY" and len(names) == 1:
        return names[0]
    return {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}[config["mode"]]


def bedrock_choice(body: Json) -> object:
    choice = body.get("toolConfig", {}).get("toolChoice")
    if not choice:
        return None
    ((kind, value),) = choice.items()
    return value["name"] if kind == "tool" else {"auto": "auto", "any": "required"}[kind]


def cohere_choice(body: Json) -> object:
    choice = body.get("tool_choice")
    return None if choice is None else str(choice).lower()


CHOICES: dict[str, Callable[[Json], object]] = {
    **dict.fromkeys((*OPENAI_FORMAT, "ollama"), openai_choice),
    "cohere": cohere_choice,
    "anthropic": anthropic_choice,
    "google": google_choice,
    "bedrock": bedrock_choice,
    "bedrock_nova": bedrock_choice,
}


def may_call(dialect: str, one: Sent) -> tuple[set[str], bool]:
    """Which tools the model may call, and whether it must."""
    names = {name for name, _ in TOOLS[dialect](one.body)}
    choice = CHOICES[dialect](one.body)
    if dialect == "google":
        config = one.body.get("toolConfig", {}).get("functionCallingConfig") or {}
        names &= set(config.get("allowedFunctionNames") or names)
    if choice == "none":
        return set(), False
    if choice in {None, "auto", "required"}:
        return names, choice == "required"
    return ({str(choice)} if isinstance(choice, str) else names), True


EVERY_CHOICE: dict[str, tuple[object, set[str], bool]] = {
    "absent": (None, {"f", "g"}, False),
    "auto": ("auto", {"f", "g"}, False),
    "none": ("none", set(), False),
    "required": ("required", {"f", "g"}, True),
    "named": (chosen("g"), {"g"}, True),
    "allowed, auto": (allowed("auto", "g"), {"g"}, False),
    "allowed, required": (allowed("required", "f"), {"f"}, True),
}
CANNOT_DEMAND = {"ollama"}  # and says so


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("choice", EVERY_CHOICE)
async def test_choice_lets_the_model_call_what_it_says(dialect: str, choice: str) -> None:
    given, names, must = EVERY_CHOICE[choice]
    one = await sent(dialect, {"messages": [HI], "tools": TWO, **({"tool_choice": given} if given else {})})
    if dialect == "openai" and isinstance(given, dict) and given["type"] == "allowed_tools":
        assert one.body["tool_choice"] == given
        return
    found, demanded = may_call(dialect, one)
    if choice == "none" and dialect.startswith("bedrock"):
        assert found in (set(), {"f", "g"})  # Converse has no such choice: the model is told in words
        return
    assert found == names
    if must and not demanded:
        assert dialect in CANNOT_DEMAND
        assert "tool_choice" in one.dropped
    else:
        assert demanded == must


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_parallel_calls_are_switched_off_or_the_wish_is_named(dialect: str) -> None:
    one = await sent(dialect, {"messages": [HI], "tools": TWO, "parallel_tool_calls": False})
    text = json.dumps(one.body)
    switched = '"parallel_tool_calls": false' in text or '"disable_parallel_tool_use": true' in text
    assert switched != ("parallel_tool_calls" in one.dropped)


# --- free text


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_grammar_of_a_free_text_tool_is_sent_or_told_in_words_and_named(dialect: str) -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    forms: list[Json] = [{}, {"format": {"type": "text"}}, {"format": grammar}]
    tools = [{"type": "custom", "custom": {"name": f"f{index}", **form}} for index, form in enumerate(forms)]
    one = await sent(dialect, {"messages": [HI], "tools": tools})
    assert one.dropped == (() if dialect == "openai" else ("tools[].custom.format",))
    assert json.dumps(one.body).count("a+") == 1
