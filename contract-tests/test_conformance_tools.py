"""Behaviours of tools: definitions and calls, for every adapter."""

import json
import re

from matrix import Talk, behaviour, result, tool, user
from tool_cases import CITY, TIME, TOOLS, WEATHER, ZONE
from upstreams import ToolCall

LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@behaviour("tools.call", "A call has an id, a name, arguments that are JSON text, and `tool_calls`")
def test_tools_call(talk: Talk) -> None:
    heard = talk.ask("[tool] Weather?", tools=TOOLS)

    (call,) = heard.calls
    assert heard.finish == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "x", "days": 1}
    assert not heard.text


@behaviour("tools.unused", "Tools that the model does not need leave a plain answer")
def test_tools_unused(talk: Talk) -> None:
    heard = talk.ask("hello", tools=TOOLS)

    assert (heard.text, heard.finish, heard.calls) == ("You said: hello", "stop", [])


@behaviour("tools.parallel", "Parallel calls come as separate calls in order")
def test_tools_parallel(talk: Talk) -> None:
    heard = talk.ask("[tools=3] Weather and time?", tools=TOOLS)

    assert [call["function"]["name"] for call in heard.calls] == ["get_weather", "get_time", "get_weather"]


@behaviour("tools.ids", "Ids are unique, at most 64 characters, of letters, digits, `_` and `-`")
def test_tools_ids(talk: Talk) -> None:
    ids = [call["id"] for call in talk.ask("[tools=3] Weather and time?", tools=TOOLS).calls]

    assert len(set(ids)) == 3
    assert all(LEGAL_ID.fullmatch(identity) for identity in ids)


@behaviour("tools.streamed", "Streamed calls open with index, id, type and name, then bring pieces of arguments")
def test_tools_streamed(talk: Talk) -> None:
    stream = talk.stream("[tools=2] Weather and time?", tools=TOOLS)

    assert stream.reading.tool_calls == (
        ToolCall("get_weather", {"city": "x", "days": 1}),
        ToolCall("get_time", {"zone": "x"}),
    )
    deltas = [delta for choice in stream.choices for delta in choice["delta"].get("tool_calls") or []]
    opening = [delta for delta in deltas if delta.get("id")]
    assert [(delta["type"], delta["function"]["name"]) for delta in opening] == [
        ("function", "get_weather"),
        ("function", "get_time"),
    ]
    assert all(delta["function"].get("name") is None for delta in deltas if delta not in opening)
    assert stream.reading.finish == "tool_calls"


@behaviour("tools.index", "Indexes of streamed calls are dense from 0, whatever stands before them")
def test_tools_index(talk: Talk) -> None:
    stream = talk.stream("[think] [tools=3] Weather and time?", tools=TOOLS)

    indexes = [delta["index"] for choice in stream.choices for delta in choice["delta"].get("tool_calls") or []]
    assert sorted(set(indexes)) == [0, 1, 2]
    assert indexes == sorted(indexes)


@behaviour("tools.same_ids", "A call that is asked for again whole and streamed has legal ids in both")
def test_tools_same_ids(talk: Talk) -> None:
    stream = talk.stream("[tools=2] Weather and time?", tools=TOOLS)

    deltas = [delta for choice in stream.choices for delta in choice["delta"].get("tool_calls") or []]
    ids = [delta["id"] for delta in deltas if delta.get("id")]
    assert len(set(ids)) == 2
    assert all(LEGAL_ID.fullmatch(identity) for identity in ids)


@behaviour("tools.refs", "`$defs` and `$ref` in a schema reach the provider")
def test_tools_refs(talk: Talk) -> None:
    schema = {
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/Place"}},
        "required": ["place"],
        "$defs": {"Place": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }

    (call,) = talk.ask("[tool] Go", tools=[tool("go", schema)]).calls

    assert json.loads(call["function"]["arguments"]) == {"place": {"name": "x"}}


@behaviour("tools.strict", "A strict schema is taken")
def test_tools_strict(talk: Talk) -> None:
    schema = {**CITY, "required": ["city", "days"], "additionalProperties": False}

    (call,) = talk.ask("[tool] Weather?", tools=[tool("get_weather", schema, strict=True)]).calls

    assert json.loads(call["function"]["arguments"]) == {"city": "x", "days": 1}


@behaviour("tools.enums", "Enums, arrays, nested objects and nullable types of a schema reach the provider")
def test_tools_enums(talk: Talk) -> None:
    properties = {
        "unit": {"type": "string", "enum": ["kelvin", "celsius"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object", "properties": {"lat": {"type": "number"}}},
        "note": {"type": ["string", "null"]},
    }

    (call,) = talk.ask("[tool] Go", tools=[tool("go", {"type": "object", "properties": properties})]).calls

    arguments = json.loads(call["function"]["arguments"])
    assert (arguments["unit"], arguments["tags"], arguments["where"]) == ("kelvin", ["x"], {"lat": 1})


@behaviour("tools.no_parameters", "A tool without parameters is called with `{}`")
def test_tools_no_parameters(talk: Talk) -> None:
    (call,) = talk.ask("[tool] Go", tools=[tool("go")]).calls

    assert json.loads(call["function"]["arguments"]) == {}


@behaviour("tools.names", "A name that the provider refuses is replaced, and put back in the call")
def test_tools_names(talk: Talk) -> None:
    long = "a_tool_with_a_name_of_exactly_sixty_four_characters_" + "x" * 12

    heard = talk.ask("[tools=2] Go", tools=[tool("go-1", CITY), tool(long, ZONE)])

    assert [call["function"]["name"] for call in heard.calls] == ["go-1", long]


@behaviour("tools.odd_names", "Dots, slashes, umlauts, a leading digit, 200 characters in a name")
def test_tools_odd_names(talk: Talk) -> None:
    names = ["a.b", "a/b", "a_b", "1st", "ä", "x" * 200]

    heard = talk.ask("[tools=6] Go", tools=[tool(name, CITY) for name in names])
    stream = talk.stream("[tools=6] Go", tools=[tool(name, CITY) for name in names])

    assert [call["function"]["name"] for call in heard.calls] == names
    assert [call.name for call in stream.reading.tool_calls] == names
    history = [user("Go"), heard.message, *(result(call["id"], "done") for call in heard.calls)]
    assert talk.ask(history, tools=[tool(name, CITY) for name in names]).finish == "stop"


@behaviour("tools.many", "128 tools, the most that OpenAI takes, reach the provider")
def test_tools_many(talk: Talk) -> None:
    heard = talk.ask("[tool] Go", tools=[tool(f"tool_{number}", CITY) for number in range(128)])

    assert [call["function"]["name"] for call in heard.calls] == ["tool_0"]
    assert "tool_127" in talk.sent_text


@behaviour("tools.custom", "A free-text tool is called with text")
def test_tools_custom(talk: Talk) -> None:
    custom = {"type": "custom", "custom": {"name": "run", "description": "Runs code"}}
    choice = {"type": "custom", "custom": {"name": "run"}}

    says = "[tool] Run it" if talk.subject.name == "ollama" else "Run it"  # it cannot demand a call
    heard = talk.ask(says, tools=[custom], tool_choice=choice)

    assert heard.answer.status == 200, heard.answer.body
    if talk.subject.name in {"openai", "azure_openai"}:
        assert (talk.sent["tools"][0]["type"], talk.sent["tool_choice"]) == ("custom", choice)
        return
    (call,) = heard.calls
    assert (call["type"], call["custom"]) == ("custom", {"name": "run", "input": "x"})
    (streamed,) = talk.stream(says, tools=[custom], tool_choice=choice).reading.tool_calls
    assert (streamed.name, streamed.arguments) == ("run", "x")
    assert talk.ask([user(says), heard.message, result(call["id"], "done")], tools=[custom]).finish == "stop"


@behaviour("tools.functions", "A client of the deprecated functions reads `function_call`, and sends its result back")
def test_tools_functions(talk: Talk) -> None:
    functions = [WEATHER["function"], TIME["function"]]

    if talk.subject.name in {"openai", "azure_openai"}:
        talk.ask("hello", functions=functions, function_call="auto")
        assert (talk.sent["functions"], talk.sent["function_call"]) == (functions, "auto")
        return
    heard = talk.ask("[tools=2] Weather and time?", functions=functions)
    stream = talk.stream("[tools=2] Weather and time?", functions=functions)
    history = [user("Go"), heard.message, {"role": "function", "name": "get_weather", "content": "done-1"}]
    answered = talk.ask([*history, user("Thanks")], functions=functions)

    called = heard.message["function_call"]
    assert (called["name"], json.loads(called["arguments"])) == ("get_weather", {"city": "x", "days": 1})
    assert (heard.finish, heard.calls) == ("function_call", [])
    deltas = [choice["delta"] for choice in stream.choices]
    pieces = [delta["function_call"] for delta in deltas if "function_call" in delta]
    assert pieces[0]["name"] == "get_weather"
    assert json.loads("".join(piece.get("arguments") or "" for piece in pieces)) == {"city": "x", "days": 1}
    assert not any("tool_calls" in delta for delta in deltas)
    assert [choice["finish_reason"] for choice in stream.choices if choice["finish_reason"]] == ["function_call"]
    assert answered.finish == "stop"
    assert "done-1" in talk.sent_text
