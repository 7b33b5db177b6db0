"""Behaviours of calls and results in the history, for every adapter."""

import re

from matrix import Talk, assistant, behaviour, called, result, tool, user
from tool_cases import TOOLS

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


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
