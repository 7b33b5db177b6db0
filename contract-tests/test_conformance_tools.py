"""Behaviours of tools, for every adapter."""

import json
import re

from matrix import Talk, assistant, behaviour, called, each, result, tool, user
from upstreams import ToolCall

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
WEATHER, TIME = tool("get_weather", CITY), tool("get_time", ZONE)
TOOLS = [WEATHER, TIME]
LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


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


@behaviour("tools.result", "The result of a call leads to an answer")
def test_tools_result(talk: Talk) -> None:
    asked = talk.ask("[tool] Weather?", tools=TOOLS)
    (call,) = asked.calls

    heard = talk.ask([user("[tool] Weather?"), asked.message, result(call["id"], "22 degrees")], tools=TOOLS)

    assert heard.text.startswith("The tool says: ")
    assert "22 degrees" in heard.text
    assert heard.finish == "stop"


@behaviour("tools.results", "The results of parallel calls are told apart, in any order")
def test_tools_results(talk: Talk) -> None:
    asked = talk.ask("[tools=2] Weather and time?", tools=TOOLS)
    first, second = (call["id"] for call in asked.calls)

    messages = [user("[tools=2] Weather?"), asked.message, result(second, "noon-2"), result(first, "rain-1")]
    heard = talk.ask(messages, tools=TOOLS)

    assert heard.finish == "stop"
    assert {"noon-2", "rain-1"} <= set(re.findall(r"noon-2|rain-1", talk.sent_text))


@behaviour("tools.then_user", "A user's message may follow the results at once")
def test_tools_then_user(talk: Talk) -> None:
    history = [user("Weather?"), assistant(None, called("call_1", "get_weather", '{"city":"Ulm"}'))]

    heard = talk.ask([*history, result("call_1", "rain-1"), user("And now?")], tools=TOOLS)

    assert "rain-1" in talk.sent_text
    assert heard.finish == "stop"


@behaviour("tools.text_and_calls", "Text beside calls is kept in the history")
def test_tools_text_and_calls(talk: Talk) -> None:
    call = called("call_1", "get_weather", '{"city":"Ulm"}')

    talk.ask([user("Weather?"), assistant("I-shall-look-1", call), result("call_1", "rain-1")], tools=TOOLS)

    assert "I-shall-look-1" in talk.sent_text
    assert "Ulm" in talk.sent_text


@behaviour("tools.result_parts", "A result as a list of text parts arrives whole")
def test_tools_result_parts(talk: Talk) -> None:
    parts = [{"type": "text", "text": "rain-1"}, {"type": "text", "text": "wind-2"}]
    history = [user("Weather?"), assistant(None, called("call_1", "get_weather", '{"city":"Ulm"}'))]

    heard = talk.ask([*history, result("call_1", parts)], tools=TOOLS)

    assert heard.finish == "stop"
    assert talk.sent_text.index("rain-1") < talk.sent_text.index("wind-2")


@behaviour("tools.result_image", "An image in a result reaches the model")
def test_tools_result_image(talk: Talk) -> None:
    parts = [{"type": "text", "text": "a picture"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    history = [user("Look"), assistant(None, called("call_1", "get_weather", '{"city":"Ulm"}'))]

    heard = talk.ask([*history, result("call_1", parts)], tools=TOOLS)

    assert heard.answer.status == 200, heard.answer.body
    assert PIXEL.partition(",")[2] in talk.sent_text


@behaviour("tools.empty_result", "An empty result does not make the provider refuse")
def test_tools_empty_result(talk: Talk) -> None:
    history = [user("Do it"), assistant(None, called("call_1", "get_weather", '{"city":"Ulm"}'))]

    assert talk.ask([*history, result("call_1", "")], tools=TOOLS).finish == "stop"


@behaviour("tools.choice_none", "`tool_choice: none` keeps the model from calling")
def test_tools_choice_none(talk: Talk) -> None:
    heard = talk.ask("[tool] Weather?", tools=TOOLS, tool_choice="none")

    assert (heard.calls, heard.finish) == ([], "stop")


@behaviour("tools.choice_auto", "`tool_choice: auto` lets the model decide")
def test_tools_choice_auto(talk: Talk) -> None:
    assert talk.ask("[tool] Weather?", tools=TOOLS, tool_choice="auto").calls
    assert not talk.ask("Weather?", tools=TOOLS, tool_choice="auto").calls


NO_FORCE = {"ollama": "Ollama cannot demand a call."}


@behaviour("tools.choice_required", "`tool_choice: required` makes the model call", unsupported=NO_FORCE)
def test_tools_choice_required(talk: Talk) -> None:
    heard = talk.ask("Weather?", tools=TOOLS, tool_choice="required")

    if talk.declined(heard, "tool_choice"):
        return
    assert len(heard.calls) == 1
    assert heard.finish == "tool_calls"


@behaviour("tools.choice_named", "A named tool is the one that is called", unsupported=NO_FORCE)
def test_tools_choice_named(talk: Talk) -> None:
    named = {"type": "function", "function": {"name": "get_time"}}

    heard = talk.ask("Time?", tools=TOOLS, tool_choice=named)

    if talk.declined(heard, "tool_choice"):
        assert "get_weather" not in talk.sent_text
        return
    assert [call["function"]["name"] for call in heard.calls] == ["get_time"]


@behaviour("tools.choice_absent", "A choice of a tool that the request does not define is a 400 that names the choice")
def test_tools_choice_absent(talk: Talk) -> None:
    absent = {"type": "function", "function": {"name": "get_tides"}}
    present = {"type": "function", "function": {"name": "get_time"}}
    some = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [present, absent]}}
    for choice, param in ((absent, "tool_choice"), (some, "tool_choice.allowed_tools.tools[1]")):
        heard = talk.ask("Tides?", tools=TOOLS, tool_choice=choice)

        assert heard.refused(400, "invalid_value")
        assert (heard.error["type"], heard.error["param"]) == ("invalid_request_error", param)
        assert heard.error["message"] == "Tool choice 'get_tides' not found in 'tools' parameter."
    assert talk.upstream.ledger == []


@behaviour("tools.choice_alone", "Without tools `auto` and `none` mean nothing; a demanded call is a 400")
def test_tools_choice_alone(talk: Talk) -> None:
    for choice in ("auto", "none"):
        heard = talk.ask("hello", tool_choice=choice, parallel_tool_calls=False)
        assert (heard.text, heard.dropped - {"parallel_tool_calls"}) == ("You said: hello", set())
    sent = len(talk.upstream.ledger)
    named = {"type": "function", "function": {"name": "get_time"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    for choice in ("required", named, allowed):
        heard = talk.ask("Time?", tool_choice=choice)
        assert heard.refused(400, "invalid_value")
        assert heard.error["param"].startswith("tool_choice")
        assert "is only allowed when 'tools' are specified" in heard.error["message"]
    assert len(talk.upstream.ledger) == sent


NO_SWITCH = "The provider has no switch for parallel calls."


@behaviour(
    "tools.parallel_off",
    "`parallel_tool_calls: false` leaves one call",
    unsupported=each(NO_SWITCH, "google", "vertex-gemini", "cohere", "ollama"),
)
def test_tools_parallel_off(talk: Talk) -> None:
    heard = talk.ask("[tools=2] Weather and time?", tools=TOOLS, parallel_tool_calls=False)

    if not talk.declined(heard, "parallel_tool_calls"):
        assert len(heard.calls) == 1


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


@behaviour("tools.foreign_ids", "Ids that another provider made are taken in the history")
def test_tools_foreign_ids(talk: Talk) -> None:
    ids = ("toolu_01A09q90qw90lq917835lq9", "chatcmpl-tool-" + "a" * 50, "function.get:0")
    calls = [called(identity, "get_weather", '{"city":"Ulm"}') for identity in ids]
    results = [result(identity, f"rain-{number}") for number, identity in enumerate(ids)]

    heard = talk.ask([user("Weather?"), assistant(None, *calls), *results], tools=TOOLS)

    assert heard.finish == "stop"
    assert all(f"rain-{number}" in talk.sent_text for number in range(3))


@behaviour("tools.orphan_result", "A result without its call is a 400 that names the message")
def test_tools_orphan_result(talk: Talk) -> None:
    heard = talk.ask([user("Weather?"), result("call_1", "rain"), user("And?")], tools=TOOLS)

    assert heard.answer.status == 400
    assert talk.upstream.ledger == []


@behaviour("tools.orphan_call", "A call without its result is a 400 that names the message")
def test_tools_orphan_call(talk: Talk) -> None:
    heard = talk.ask([user("Weather?"), assistant(None, called("call_1", "get_weather")), user("And?")], tools=TOOLS)

    assert heard.answer.status == 400
    assert talk.upstream.ledger == []


@behaviour("tools.empty_arguments", "Empty arguments in the history stand for `{}`")
def test_tools_empty_arguments(talk: Talk) -> None:
    history = [user("Go"), assistant(None, called("call_1", "go", "")), result("call_1", "done-1")]

    assert talk.ask(history, tools=[tool("go")]).finish == "stop"


@behaviour("tools.without_definitions", "A history with calls is taken where the request defines no tools")
def test_tools_without_definitions(talk: Talk) -> None:
    history = [user("Go"), assistant(None, called("call_1", "go", '{"a":1}')), result("call_1", "done-1")]

    heard = talk.ask([*history, user("Thanks")])

    assert heard.finish == "stop"
    assert "done-1" in talk.sent_text


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
