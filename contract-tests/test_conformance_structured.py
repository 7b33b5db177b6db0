"""Behaviours of structured outputs and refusals, for every adapter."""

import json

from matrix import CLAUDE, Talk, assistant, behaviour, called, each, result, tool, user

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True}}
NOTE = "YSBub3RlIG9mIHRoZSB1c2Vy"
NESTED = {
    "type": "object",
    "properties": {"days": {"type": "array", "items": {"$ref": "#/$defs/Day"}}},
    "required": ["days"],
    "additionalProperties": False,
    "$defs": {
        "Day": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
    },
}


@behaviour("structured.schema", "`json_schema` gives text that meets the schema, and `stop`")
def test_structured_schema(talk: Talk) -> None:
    heard = talk.ask("Weather in JSON, please", response_format=FORMAT)

    assert json.loads(heard.text) == {"city": "x", "degrees": 1}
    assert (heard.finish, heard.calls) == ("stop", [])


@behaviour(
    "structured.beside_file",
    "Beside a text file the answer meets the schema, and the file reaches the model",
    unsupported={"ollama": "Ollama takes texts and images."},
)
def test_structured_beside_file(talk: Talk) -> None:
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{NOTE}"}}

    heard = talk.ask([user([{"type": "text", "text": "Weather in JSON, please"}, part])], response_format=FORMAT)

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert json.loads(heard.text) == {"city": "x", "degrees": 1}
    assert NOTE in talk.sent_text or "a note of the user" in talk.sent_text


@behaviour("structured.streamed", "The same streamed")
def test_structured_streamed(talk: Talk) -> None:
    reading = talk.stream("Weather in JSON, please", response_format=FORMAT).reading

    assert json.loads(reading.text) == {"city": "x", "degrees": 1}
    assert (reading.finish, reading.tool_calls) == ("stop", ())


@behaviour("structured.refs", "A schema with `$defs` and arrays")
def test_structured_refs(talk: Talk) -> None:
    nested = {"type": "json_schema", "json_schema": {"name": "days", "schema": NESTED, "strict": True}}

    assert json.loads(talk.ask("Days in JSON, please", response_format=nested).text) == {"days": [{"name": "x"}]}


WEATHER = tool("get_weather", {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]})
TIME = tool("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]})
BESIDE = {"tools": [WEATHER, TIME], "response_format": FORMAT}
NOT_BESIDE = {"ollama": "A form of the answer keeps Ollama's models from calling tools: it is told in words."}


@behaviour(
    "structured.beside_tools", "Beside a schema tools are called, and the answer after them meets it",
    unsupported=NOT_BESIDE,
)  # fmt: skip
def test_structured_beside_tools(talk: Talk) -> None:
    asked = talk.ask("[tool] Weather in JSON, please", **BESIDE)
    assert ([call["function"]["name"] for call in asked.calls], asked.finish) == (["get_weather"], "tool_calls")
    assert not asked.text
    history = [user("[tool] Weather in JSON, please"), asked.message, result(asked.calls[0]["id"], "22 degrees")]

    heard = talk.ask(history, **BESIDE)

    assert (heard.finish, heard.calls) == ("stop", [])
    if talk.declined(heard, "response_format"):
        assert "degrees" in talk.sent["messages"][0]["content"]
        return
    assert json.loads(heard.text) == {"city": "x", "degrees": 1}
    assert "response_format" not in heard.dropped


@behaviour("structured.beside_tools_streamed", "The same streamed", unsupported=NOT_BESIDE)
def test_structured_beside_tools_streamed(talk: Talk) -> None:
    asked = talk.stream("[tool] Weather in JSON, please", **BESIDE).reading
    assert ([call.name for call in asked.tool_calls], asked.finish) == (["get_weather"], "tool_calls")
    call = called("call_1", "get_weather", '{"place":"x"}')

    streamed = talk.stream([user("Weather?"), assistant(None, call), result("call_1", "22 degrees")], **BESIDE)

    assert (streamed.reading.finish, streamed.reading.tool_calls) == ("stop", ())
    if not talk.unsupported:
        assert json.loads(streamed.reading.text) == {"city": "x", "degrees": 1}


@behaviour("structured.beside_parallel", "Parallel calls beside a schema are the client's tools and nothing else")
def test_structured_beside_parallel(talk: Talk) -> None:
    heard = talk.ask("[tools=3] Weather and time in JSON, please", **BESIDE)

    names = [call["function"]["name"] for call in heard.calls]
    assert names[:2] == ["get_weather", "get_time"]
    assert set(names) == {"get_weather", "get_time"}
    assert (heard.finish, heard.text) == ("tool_calls", "")


@behaviour("structured.object", "`json_object` asks the model for JSON")
def test_structured_object(talk: Talk) -> None:
    heard = talk.ask("Answer in JSON", response_format={"type": "json_object"})

    assert heard.finish == "stop"
    if talk.subject.name in CLAUDE:  # by an instruction, as the provider has no such mode
        assert "JSON" in talk.sent_text
        assert heard.text
    else:
        assert json.loads(heard.text) == {"echo": "Answer in JSON"}


@behaviour("structured.text", "`response_format: text` changes nothing")
def test_structured_text(talk: Talk) -> None:
    assert talk.ask("hello", response_format={"type": "text"}).text == "You said: hello"


NO_REFUSAL = each("The provider has no refusal: it answers in plain text.", "cohere", "ollama")


@behaviour("structured.refusal", "A refusal comes in `refusal` or ends with `content_filter`", unsupported=NO_REFUSAL)
def test_structured_refusal(talk: Talk) -> None:
    heard = talk.ask("[refuse] Do something bad")

    if talk.unsupported:
        assert (heard.text, heard.finish) == ("I cannot help with that.", "stop")
        return
    assert heard.finish == "content_filter" or heard.message["refusal"] == "I cannot help with that."


@behaviour("structured.refusal_streamed", "The same streamed", unsupported=NO_REFUSAL)
def test_structured_refusal_streamed(talk: Talk) -> None:
    whole, reading = talk.ask("[refuse] Do something bad"), talk.stream("[refuse] Do something bad").reading

    assert reading.finish == whole.finish
    assert (reading.refusal or None) == (whole.message.get("refusal") or None)
    assert reading.text == whole.text
