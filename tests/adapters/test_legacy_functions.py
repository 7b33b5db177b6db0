"""Streamed answers for clients of the deprecated functions: one call, and nothing else of the answer is lost."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from adapters.base import push_each
from adapters.legacy_functions import FunctionCallStream
from adapters.stream_state import OwnState
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


class Given(OwnState):
    """A `ChunkStream` that one read brought whole."""

    dropped_params = ()

    def __init__(self, chunks: tuple[ChatCompletionChunk, ...]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[tuple[ChatCompletionChunk, ...]]:
        yield self._chunks

    async def push(self, take: Callable[[Sequence[ChatCompletionChunk]], bool]) -> bool:
        return await push_each(self, take)

    async def aclose(self) -> None:
        self._chunks = ()


async def told(*chunks: ChatCompletionChunk) -> list[ChoiceDelta]:
    return [one.choices[0].delta async for many in FunctionCallStream(Given(chunks)) for one in many]


async def test_second_call_of_a_stream_has_no_place_and_no_chunk() -> None:
    assert await told(chunk(tool_calls=called(0)), chunk(tool_calls=called(1))) == [
        ChoiceDelta(function_call=FunctionDelta(name="f0", arguments="{}"))
    ]


async def test_text_beside_a_second_call_is_kept() -> None:
    assert await told(chunk(content="And", tool_calls=called(1)), chunk(reasoning="Hm", tool_calls=called(1))) == [
        ChoiceDelta(content="And"),
        ChoiceDelta(reasoning="Hm"),
    ]
