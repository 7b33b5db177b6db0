"""What a request's parameters and tools make of the echo model's answer."""

import json

import msgspec
import pytest

from adapters.echo import EchoAdapter
from adapters.errors import ErrorKind
from tests.adapters.echo.asking import WEATHER, ask, error_of, new_call, said

SHELL = {"type": "custom", "custom": {"name": "shell"}}


@pytest.mark.parametrize(
    ("fields", "content", "finish"),
    [
        ({"max_tokens": 2}, "abcdefgh", "length"),
        ({"max_completion_tokens": 1, "max_tokens": 9}, "abcd", "length"),
        ({"max_tokens": 4}, "abcdefghijklmnop", "stop"),
        ({"stop": "efg"}, "abcd", "stop"),
        ({"stop": ["zz", "", "mn"]}, "abcdefghijkl", "stop"),
        ({"response_format": {"type": "json_object"}}, '{"echo":"abcdefghijklmnop"}', "stop"),
    ],
)
async def test_parameters_cut_and_shape_the_text(echo: EchoAdapter, fields: dict, content: str, finish: str) -> None:
    one, _ = await said(echo, ask("abcdefghijklmnop", **fields))
    assert (one.content, one.finish) == (content, finish)


async def test_parameters_deployment_cap_counts_too(echo: EchoAdapter) -> None:
    one, _ = await said(echo, ask("abcdefgh", max_tokens=5), max_output_tokens=1)
    assert (one.content, one.finish) == ("abcd", "length")


async def test_parameters_n_multiplies_choices_and_usage(echo: EchoAdapter) -> None:
    result = await echo.chat(ask("abcdefgh", n=3), new_call())
    assert [choice.index for choice in result.body.choices] == [0, 1, 2]
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (2, 6)


async def test_parameters_logprobs_cover_every_token(echo: EchoAdapter) -> None:
    result = await echo.chat(ask("abcdef", logprobs=True, top_logprobs=2), new_call())
    content = result.body.choices[0].logprobs.content
    assert [token.token for token in content] == ["abcd", "ef"]
    assert [len(token.top_logprobs) for token in content] == [2, 2]


@pytest.mark.parametrize(
    "fields",
    [{"n": 129}, {"top_logprobs": 21, "logprobs": True}, {"top_logprobs": 1}],
)
async def test_parameters_out_of_bounds_are_refused(echo: EchoAdapter, fields: dict) -> None:
    error = await error_of(echo.chat(ask(**fields), new_call()))
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.param is not None


async def test_parameters_costly_combinations_are_cut(echo: EchoAdapter) -> None:
    """One request of this model must not hold up the gateway."""
    request = ask("[echo tokens=100000] x", n=128, logprobs=True, top_logprobs=20)
    result = await echo.chat(request, new_call())
    assert len(msgspec.json.encode(result.body)) < 4_000_000
    assert result.body.choices[0].finish_reason == "length"


async def test_parameters_unknown_ones_are_dropped_by_name(echo: EchoAdapter) -> None:
    call = new_call(extra={"magic": msgspec.Raw(b"1")})
    result = await echo.chat(ask(functions=[{"name": "f"}]), call)
    assert result.dropped_params == ("magic", "functions")
    error = await error_of(echo.chat(ask(), new_call(extra={"magic": msgspec.Raw(b"1")}, extra_params="reject")))
    assert error.kind is ErrorKind.UNSUPPORTED_PARAMETER


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, []),
        ({"tool_choice": "auto"}, []),
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "required"}, ["get_weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, ["get_weather"]),
        ({"tool_choice": {"type": "custom", "custom": {"name": "shell"}}}, ["shell"]),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "custom", "custom": {"name": "shell"}}]}}},
            ["shell"],
        ),
        ({"metadata": {"echo": "tool=shell,get_weather"}}, ["shell", "get_weather"]),
        ({"metadata": {"echo": "tool=shell"}, "tool_choice": "none"}, []),
    ],
)  # fmt: skip
async def test_tools_are_called_when_forced_or_told(echo: EchoAdapter, fields: dict, names: list[str]) -> None:
    one, _ = await said(echo, ask("ls", tools=[WEATHER, SHELL], **fields))
    assert [call.name for call in one.calls] == names
    assert one.finish == ("tool_calls" if names else "stop")
    for call in one.calls:
        assert json.loads(call.arguments) == {"city": "echo"} if call.name == "get_weather" else call.arguments == "ls"


async def test_tools_result_is_echoed_and_the_tool_not_called_again(echo: EchoAdapter) -> None:
    first, _ = await said(echo, ask("[echo tool=get_weather] Ulm?", tools=[WEATHER]))
    call = first.calls[0]
    messages = [
        {"role": "user", "content": "[echo tool=get_weather] Ulm?"},
        {"role": "assistant", "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny"},
    ]  # fmt: skip
    second, _ = await said(echo, ask(messages=messages, tools=[WEATHER]))
    assert (second.content, second.calls, second.finish) == ("Sunny", [], "stop")


async def test_tools_that_are_not_offered_are_refused(echo: EchoAdapter) -> None:
    error = await error_of(echo.chat(ask("[echo tool=rm] x", tools=[WEATHER]), new_call()))
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "tools")
