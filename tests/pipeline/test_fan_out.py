"""`n > 1` where the provider gives one answer at a time: merged answers, dense indexes, summed usage, failures."""

import asyncio
import gc
import json
import weakref
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest

from adapters.base import Call, Deployment, Result
from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.chat import CHAT
from aqueduct.pipeline.fan_out import MAX_ANSWERS
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.usage import Usage

QUESTION = [{"role": "user", "content": "x" * 32}]


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": QUESTION, **fields}), type=ChatRequest)


def call(multiple_answers: str = "auto") -> Call:
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="a", upstream_model="u", multiple_answers=multiple_answers
    )
    return Call(deployment=deployment, request_id="r", deadline=1e12)


def usage(prompt: int, output: int, **fields) -> Usage:
    raw = msgspec.Raw(json.dumps({"in": prompt}).encode())
    return Usage(prompt_tokens=prompt, completion_tokens=output, raw=raw, **fields)


def answer(text: str, used: Usage) -> Result[ChatCompletion]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": f"id-{text}", "choices": [choice], "created": 1, "model": "u", "object": "chat.completion"}
    return Result(
        body=msgspec.convert(body, ChatCompletion), usage=used, upstream_id=f"up-{text}", dropped_params=("seed",)
    )


def chunk(text: str = "", finish: str | None = None, chunk_id: str = "id") -> ChatCompletionChunk:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    body = {"id": chunk_id, "choices": [choice], "created": 1, "model": "u", "object": "chat.completion.chunk"}
    return msgspec.convert(body, ChatCompletionChunk)


class OneStream:
    """A stream of prepared reads; an exception among them is raised."""

    upstream_model = "u"
    native_finish_reason = "end"
    dropped_params = ("seed",)

    def __init__(self, reads: Sequence[object], used: Usage | None, upstream_id: str = "up") -> None:
        self.upstream_id = upstream_id
        self.usage: Usage | None = None
        self.finished = False
        self.closed = False
        self._reads = list(reads)
        self._used = used

    def __aiter__(self) -> "OneStream":
        return self

    async def __anext__(self) -> tuple[ChatCompletionChunk, ...]:
        await asyncio.sleep(0)
        if not self._reads:
            self.finished, self.usage = True, self._used
            raise StopAsyncIteration
        read = self._reads.pop(0)
        if read == "never":
            await asyncio.Event().wait()
        if isinstance(read, Exception):
            raise read
        return (read,)

    async def aclose(self) -> None:
        self.closed = True


class OneAtATime:
    """An adapter without `n`, which gives the prepared answers, one for each call."""

    def __init__(self, *answers: object, refusal: str | None = "n") -> None:
        self.asked: list[ChatRequest] = []
        self._answers = list(answers)
        self._refusal = refusal

    async def _next(self, asked: ChatRequest) -> object:
        if self._refusal is not None and asked.n not in {None, 1}:
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, "One at a time.", param=self._refusal)
        self.asked.append(asked)
        found = self._answers.pop(0)
        if found == "never":
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            await asyncio.sleep(0)
            raise found
        return found

    async def chat(self, asked: ChatRequest, at: Call) -> object:
        del at
        return await self._next(asked)

    chat_stream = chat


async def read_all(stream: object) -> list[ChatCompletionChunk]:
    return [one async for chunks in stream for one in chunks]


async def failure_of(stream: object, got: list[ChatCompletionChunk]) -> ProviderError | None:
    try:
        async for chunks in stream:
            got += chunks
    except ProviderError as error:
        return error
    return None


def shown(chunks: Sequence[ChatCompletionChunk], index: int) -> tuple[str, list[str]]:
    mine = [choice for one in chunks for choice in one.choices if choice.index == index]
    text = "".join(choice.delta.content or "" for choice in mine if choice.delta.content is not msgspec.UNSET)
    return text, [choice.finish_reason for choice in mine if choice.finish_reason is not None]


async def test_whole_answers_are_merged_with_dense_indexes_and_summed_usage() -> None:
    adapter = OneAtATime(
        answer("a", usage(9, 2, cached_tokens=4)), answer("b", usage(9, 3)), answer("c", usage(9, 4, cached_tokens=1))
    )
    result = await CHAT.call(adapter, request(n=3), call())
    assert [(choice.index, choice.message.content) for choice in result.body.choices] == [(0, "a"), (1, "b"), (2, "c")]
    assert result.body.id == "id-a"
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.usage.cached_tokens) == (27, 9, 5)
    assert (result.usage.source, bytes(result.usage.raw)) == ("provider", b'[{"in": 9},{"in": 9},{"in": 9}]')
    assert result.body.usage is not None
    assert result.body.usage.total_tokens == 36
    assert result.dropped_params == ("seed",)
    assert [one.n for one in adapter.asked] == [None] * 3


async def test_seed_is_counted_up_so_that_the_answers_differ() -> None:
    adapter = OneAtATime(*(answer(text, usage(1, 1)) for text in "ab"))
    await CHAT.call(adapter, request(n=2, seed=7), call())
    assert sorted(one.seed or 0 for one in adapter.asked) == [7, 8]


async def test_answer_without_usage_is_estimated_and_the_sum_is_partial() -> None:
    adapter = OneAtATime(answer("a", usage(9, 2)), answer("b" * 32, Usage()))
    result = await CHAT.call(adapter, request(n=2), call())
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (19, 12)
    assert result.usage.source == "provider_partial"


async def test_provider_with_n_is_asked_once() -> None:
    adapter = OneAtATime(answer("a", usage(9, 2)), refusal=None)
    await CHAT.call(adapter, request(n=2), call())
    assert [one.n for one in adapter.asked] == [2]


async def test_setting_fan_out_asks_one_by_one_whatever_the_provider_has() -> None:
    adapter = OneAtATime(*(answer(text, usage(1, 1)) for text in "ab"), refusal=None)
    await CHAT.call(adapter, request(n=2), call("fan_out"))
    assert [one.n for one in adapter.asked] == [None, None]


@pytest.mark.parametrize("operation", [CHAT.call, CHAT.stream.open])
async def test_setting_reject_leaves_the_refusal_standing(operation) -> None:
    with pytest.raises(ProviderError) as refused:
        await operation(OneAtATime(), request(n=2), call("reject"))
    assert refused.value.param == "n"


@pytest.mark.parametrize("operation", [CHAT.call, CHAT.stream.open])
async def test_more_answers_than_the_bound_are_refused_before_any_call(operation) -> None:
    adapter = OneAtATime()
    with pytest.raises(ProviderError, match=f"at most {MAX_ANSWERS}") as refused:
        await operation(adapter, request(n=MAX_ANSWERS + 1), call())
    assert (refused.value.kind, refused.value.param, adapter.asked) == (ErrorKind.INVALID_REQUEST, "n", [])


async def test_refusal_of_another_parameter_is_not_about_n() -> None:
    with pytest.raises(ProviderError) as refused:
        await CHAT.call(OneAtATime(refusal="seed"), request(n=2), call())
    assert refused.value.param == "seed"


async def test_one_failure_ends_the_others_and_tells_what_was_consumed() -> None:
    failure = ProviderError(ErrorKind.OVERLOADED, "Busy.")
    adapter = OneAtATime(answer("a", usage(9, 2)), failure, "never")
    async with asyncio.timeout(5):
        with pytest.raises(ProviderError) as failed:
            await CHAT.call(adapter, request(n=3), call())
    assert failed.value is failure
    assert failed.value.usage is not None
    # 9 and 2 reported by the first, 10 estimated for the prompt that the third had taken
    assert (failed.value.usage.prompt_tokens, failed.value.usage.completion_tokens) == (19, 2)


async def test_failure_of_one_answer_keeps_what_it_has_consumed_itself() -> None:
    failure = ProviderError(ErrorKind.OVERLOADED, "Busy.")
    failure.usage = usage(100, 7)
    async with asyncio.timeout(5):
        with pytest.raises(ProviderError) as failed:
            await CHAT.call(OneAtATime(answer("a", usage(9, 2)), failure), request(n=2), call())
    assert failed.value.usage is not None
    assert (failed.value.usage.prompt_tokens, failed.value.usage.completion_tokens) == (109, 9)


async def test_failure_of_one_answer_holds_nothing_that_was_sent() -> None:
    sent: list[weakref.ref[OneAtATime]] = []

    class Failing:
        async def chat(self, _: ChatRequest, __: Call) -> Result[ChatCompletion]:
            body = OneAtATime()  # anything that can be looked at weakly
            sent.append(weakref.ref(body))
            await asyncio.sleep(0)
            raise ProviderError(ErrorKind.OVERLOADED, f"Busy with {body}.")

    gc.disable()
    try:
        with suppress(ProviderError):
            await CHAT.call(Failing(), request(n=2), call("fan_out"))
        await asyncio.sleep(0)
        held = [one() is not None for one in sent]
    finally:
        gc.enable()
    assert held == [False, False]


async def test_refusal_by_the_provider_consumes_nothing() -> None:
    adapter = OneAtATime(ProviderError(ErrorKind.CONTEXT_LENGTH, "Too long."), "never")
    async with asyncio.timeout(5):
        with pytest.raises(ProviderError) as failed:
            await CHAT.call(adapter, request(n=2), call())
    assert failed.value.usage is None


async def abandoned(adapter: OneAtATime, operation, asked: ChatRequest) -> list[Usage]:
    """What is told of a request whose client leaves once every answer has been asked for."""
    told: list[Usage] = []
    at = msgspec.structs.replace(call("fan_out"), on_abandoned=told.append)
    task = asyncio.create_task(operation(adapter, asked, at))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(adapter.asked) == asked.n
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return told


async def test_client_that_leaves_pays_for_the_prompt_of_every_answer() -> None:
    (told,) = await abandoned(OneAtATime("never", "never", "never"), CHAT.call, request(n=3))
    assert (told.prompt_tokens, told.completion_tokens, told.source) == (30, 0, "estimated")
    (told,) = await abandoned(OneAtATime("never", "never"), CHAT.stream.open, request(n=2, stream=True))
    assert (told.prompt_tokens, told.completion_tokens, told.source) == (20, 0, "estimated")


async def test_client_that_leaves_pays_for_what_was_answered_as_it_was_reported() -> None:
    (told,) = await abandoned(OneAtATime(answer("a", usage(9, 2)), "never"), CHAT.call, request(n=2))
    assert (told.prompt_tokens, told.completion_tokens, told.source) == (19, 2, "provider_partial")


async def test_streams_are_merged_under_one_id_with_one_finish_for_each_choice() -> None:
    one = OneStream([chunk("a", chunk_id="1"), chunk("b", chunk_id="1"), chunk("", "stop", "1")], usage(9, 2))
    two = OneStream([chunk("c", chunk_id="2"), chunk("", "length", "2")], usage(9, 3), "up-2")
    stream = await CHAT.stream.open(OneAtATime(one, two), request(n=2, stream=True), call())
    chunks = await read_all(stream)
    assert len({one.id for one in chunks}) == 1
    assert (shown(chunks, 0), shown(chunks, 1)) == (("ab", ["stop"]), ("c", ["length"]))
    assert stream.finished
    assert stream.usage is not None
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (18, 5)
    assert stream.usage.source == "provider"
    assert (stream.upstream_id, stream.dropped_params) == ("up", ("seed",))
    await stream.aclose()
    assert one.closed
    assert two.closed


async def test_a_slow_stream_does_not_hold_up_the_others() -> None:
    slow, fast = OneStream(["never"], None), OneStream([chunk("c"), chunk("", "stop")], usage(9, 3))
    stream = await CHAT.stream.open(OneAtATime(slow, fast), request(n=2, stream=True), call())
    async with asyncio.timeout(5):
        first, second = await anext(aiter(stream)), await anext(aiter(stream))
    assert shown([*first, *second], 1) == ("c", ["stop"])
    assert not stream.finished
    await stream.aclose()
    assert slow.closed
    # the prompt of the slow one is estimated, that of the fast one too where its end was not read yet
    assert stream.usage is not None
    assert stream.usage.prompt_tokens in {19, 20}


async def test_failure_of_one_stream_fails_the_request_after_the_chunks_before_it() -> None:
    failure = ProviderError(ErrorKind.OVERLOADED, "Busy.")
    one, two = OneStream([chunk("a"), failure], None), OneStream(["never"], None)
    stream = await CHAT.stream.open(OneAtATime(one, two), request(n=2, stream=True), call())
    got: list[ChatCompletionChunk] = []
    async with asyncio.timeout(5):
        error = await failure_of(stream, got)
    assert error is failure
    assert shown(got, 0) == ("a", [])
    await stream.aclose()
    assert two.closed
    assert stream.usage is not None
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (20, 1)
    assert stream.usage.source == "estimated"


async def test_failure_to_open_one_stream_closes_the_others() -> None:
    one, failure = OneStream([], None), ProviderError(ErrorKind.OVERLOADED, "Busy.")
    with pytest.raises(ProviderError) as failed:
        await CHAT.stream.open(OneAtATime(one, failure), request(n=2, stream=True), call())
    assert failed.value is failure
    assert one.closed
    assert failed.value.usage is not None
    assert failed.value.usage.prompt_tokens == 10
