"""Legacy completions of the echo model."""

import json

import msgspec
import pytest

from adapters.echo import EchoAdapter
from adapters.errors import ErrorKind
from schemas.completions import CompletionRequest
from tests.adapters.echo.asking import error_of, new_call, read_all, read_until_error


async def completion_of(adapter: EchoAdapter, /, **fields):
    request = CompletionRequest(model="m", **fields)
    result = await adapter.completion(request, new_call())
    stream = await adapter.completion_stream(request, new_call())
    texts: dict[int, str] = {}
    ends: dict[int, str] = {}
    for chunk in await read_all(stream):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            if choice.finish_reason:
                assert choice.index not in ends
                ends[choice.index] = choice.finish_reason
    assert [choice.text for choice in result.body.choices] == [texts[index] for index in sorted(texts)]
    assert [choice.finish_reason for choice in result.body.choices] == [ends[index] for index in sorted(ends)]
    assert (stream.finished, stream.usage) == (True, result.usage)
    return result


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({"prompt": "abc"}, ["abc"]),
        ({"prompt": None}, [""]),
        ({"prompt": ["a", "b"], "n": 2}, ["a", "a", "b", "b"]),
        ({"prompt": [1, 2]}, ["1 2"]),
        ({"prompt": [[1], [2, 3]]}, ["1", "2 3"]),
        ({"prompt": "abcdefgh", "max_tokens": 1}, ["abcd"]),
        ({"prompt": "abcdefgh", "max_tokens": 1, "echo": True}, ["abcdefghabcd"]),
        ({"prompt": "[echo tokens=2] ab", "stop": " "}, ["ab"]),
    ],
)
async def test_completion_every_form_of_prompt_is_echoed(echo: EchoAdapter, fields: dict, texts: list[str]) -> None:
    result = await completion_of(echo, **fields)
    assert [choice.text for choice in result.body.choices] == texts
    if fields.get("echo"):
        assert result.usage.completion_tokens == 1  # the prompt that is given back was not generated


async def test_completion_logprobs_have_the_legacy_form(echo: EchoAdapter) -> None:
    result = await completion_of(echo, prompt="abcdef", logprobs=1)
    assert json.loads(msgspec.json.encode(result.body.choices[0].logprobs)) == {
        "tokens": ["abcd", "ef"],
        "token_logprobs": [0.0, 0.0],
        "top_logprobs": [{"abcd": 0.0}, {"ef": 0.0}],
        "text_offset": [0, 4],
    }


async def test_completion_bounds_and_losses(echo: EchoAdapter) -> None:
    assert (await completion_of(echo, prompt="x", best_of=2, suffix="y")).dropped_params == ("best_of", "suffix")
    error = await error_of(echo.completion(CompletionRequest(model="m", prompt=["x"] * 129), new_call()))
    assert error.kind is ErrorKind.INVALID_REQUEST


async def test_completion_fails_as_told(echo: EchoAdapter) -> None:
    request = CompletionRequest(model="m", prompt="[echo tokens=4 error=overloaded after=2] x")
    stream = await echo.completion_stream(request, new_call())
    chunks, error = await read_until_error(stream)
    assert (error.kind, len(chunks)) == (ErrorKind.OVERLOADED, 2)
