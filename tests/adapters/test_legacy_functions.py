"""Streamed answers for clients of the deprecated functions: one call, and nothing else of the answer is lost."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from adapters.base import ChunkStream
from adapters.legacy_functions import FunctionCallStream
from schemas.chat_response import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    FunctionDelta,
    ToolCallDelta,
)


def chunk(**delta: Any) -> ChatCompletionChunk:
    choice = ChunkChoice(index=0, delta=ChoiceDelta(**delta))
    return ChatCompletionChunk(id="c", created=1, model="m", choices=[choice])


def called(index: int) -> list[ToolCallDelta]:
    return [ToolCallDelta(index=index, function=FunctionDelta(name=f"f{index}", arguments="{}"))]


async def told(*chunks: ChatCompletionChunk) -> list[ChoiceDelta]:
    async def stream() -> AsyncIterator[Sequence[ChatCompletionChunk]]:
        yield chunks

    found = FunctionCallStream(cast("ChunkStream[ChatCompletionChunk]", stream()))
    return [one.choices[0].delta async for many in found for one in many]


async def test_second_call_of_a_stream_has_no_place_and_no_chunk() -> None:
    assert await told(chunk(tool_calls=called(0)), chunk(tool_calls=called(1))) == [
        ChoiceDelta(function_call=FunctionDelta(name="f0", arguments="{}"))
    ]


async def test_text_beside_a_second_call_is_kept() -> None:
    assert await told(chunk(content="And", tool_calls=called(1)), chunk(reasoning="Hm", tool_calls=called(1))) == [
        ChoiceDelta(content="And"),
        ChoiceDelta(reasoning="Hm"),
    ]
