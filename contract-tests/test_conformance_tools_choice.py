"""Behaviours of the choice of tools, for every adapter."""

from matrix import Talk, behaviour, each
from tool_cases import TOOLS


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
