"""The echo model answers chats as its directives and its configuration say: text, pace and failures."""

import asyncio

import msgspec
import pytest

from adapters.base import SupportsChat, SupportsCompletions, SupportsEmbeddings
from adapters.echo import EchoAdapter
from adapters.errors import ErrorKind
from tests.adapters.echo.asking import WEATHER, ask, error_of, new_call, read_all, read_until_error, said


async def test_echo_answers_with_the_last_user_text_and_counts_four_characters_a_token(echo: EchoAdapter) -> None:
    one, result = await said(echo, ask("Hello, world!"))
    assert (one.content, one.finish) == ("Hello, world!", "stop")
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.usage.total_tokens) == (4, 4, 8)
    assert (result.body.id, result.body.created, result.body.model) == ("chatcmpl-req-1", 1_760_000_000, "echo-1")


async def test_echo_is_deterministic(echo: EchoAdapter) -> None:
    request = ask("[echo reasoning=3 tool=get_weather] x", tools=[WEATHER], n=2)
    first, second = [await echo.chat(request, new_call()) for _ in range(2)]
    assert msgspec.json.encode(first.body) == msgspec.json.encode(second.body)


async def test_echo_reads_text_parts_and_counts_media(echo: EchoAdapter) -> None:
    parts = [
        {"type": "text", "text": "What is "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "this?"},
    ]
    one, result = await said(echo, ask(messages=[{"role": "user", "content": parts}]))
    assert one.content == "What is this?"
    assert result.usage.prompt_tokens == 4 + 85


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "Be brief."}]])
async def test_echo_without_a_user_message_says_nothing(echo: EchoAdapter, messages: list) -> None:
    one, _ = await said(echo, ask(messages=messages))
    assert (one.content, one.finish) == ("", "stop")


@pytest.mark.parametrize(
    ("options", "metadata", "prefix", "length"),
    [
        ({"tokens": "5"}, None, "", 20),
        ({"tokens": "5"}, "tokens=6", "", 24),
        ({"tokens": "5"}, "tokens=6", "[echo tokens=7] ", 28),
        ({}, "tokens=6 chunk=2", "", 24),
    ],
)
async def test_directives_later_sources_win(echo: EchoAdapter, options, metadata, prefix, length) -> None:
    fields = {"metadata": {"echo": metadata}} if metadata else {}
    one, _ = await said(echo, ask(f"{prefix}Hi", **fields), options=options)
    assert len(one.content) == length
    assert one.content.startswith("Hi Hi")


@pytest.mark.parametrize(
    "text", ["[echo]", "[echo chamber] hi", "say [echo tokens=5]", "[ECHO tokens=5]", "echo tokens=5"]
)
async def test_directives_other_texts_are_only_echoed(echo: EchoAdapter, text: str) -> None:
    one, _ = await said(echo, ask(text))
    assert one.content == text


@pytest.mark.parametrize(
    "wrong", ["tokens=many", "tokens=-1", "tokens=1000000", "typo=1", "finish=banana", "error=oops", "status=200"]
)
async def test_directives_wrong_ones_are_the_callers_fault(echo: EchoAdapter, wrong: str) -> None:
    for request in (ask(f"[echo {wrong}] x"), ask(metadata={"echo": wrong})):
        error = await error_of(echo.chat(request, new_call()))
        assert error.kind is ErrorKind.INVALID_REQUEST


async def test_directives_reasoning_refusal_cached_and_finish(echo: EchoAdapter) -> None:
    one, result = await said(echo, ask("[echo reasoning=10] Why?"))
    assert (len(one.reasoning), one.content, result.usage.reasoning_tokens) == (40, "Why?", 10)
    one, result = await said(echo, ask("[echo refusal=true] Why?"))
    assert (one.content, bool(one.refusal), result.body.choices[0].message.content) == ("", True, None)
    one, result = await said(echo, ask("[echo cached=2 finish=content_filter] Why not?"))
    assert (one.finish, result.usage.cached_tokens, result.native_finish_reason) == (
        "content_filter",
        2,
        "content_filter",
    )


async def test_directives_usage_off_reports_none(echo: EchoAdapter) -> None:
    request = ask("[echo usage=off] x")
    result = await echo.chat(request, new_call())
    stream = await echo.chat_stream(request, new_call())
    await read_all(stream)
    assert (result.usage.prompt_tokens, result.body.usage, stream.usage) == (None, msgspec.UNSET, None)


async def test_pace_pieces_have_the_size_and_leave_together_as_told(echo: EchoAdapter) -> None:
    stream = await echo.chat_stream(ask("[echo tokens=10 chunk=2 burst=3] x"), new_call())
    batches = [[c.choices[0].delta.content for c in chunks if c.choices[0].delta.content] async for chunks in stream]
    assert [[len(text) for text in batch] for batch in batches] == [[8, 8, 8], [8, 8]]


async def test_pace_first_chunk_and_delay_take_their_time(echo: EchoAdapter) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    stream = await echo.chat_stream(ask("[echo tokens=3 first_ms=60 delay_ms=20] x"), new_call())
    times = []
    async for _ in stream:
        times.append(loop.time() - started)  # noqa: PERF401 - the loop is what is measured
    assert times[0] >= 0.055
    assert times[-1] >= 0.11
    started = loop.time()
    await echo.chat(ask("[echo tokens=3 first_ms=60 delay_ms=20] x"), new_call())
    assert loop.time() - started >= 0.09


@pytest.mark.parametrize("streamed", [False, True])
async def test_pace_never_outlasts_the_deadline(echo: EchoAdapter, streamed: bool) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    request, call = ask("[echo first_ms=60000] x"), new_call(deadline_s=0.1)
    if streamed:
        error = await error_of(read_all(await echo.chat_stream(request, call)))
    else:
        error = await error_of(echo.chat(request, call))
    assert error.kind is ErrorKind.TIMEOUT
    assert 0.05 < loop.time() - started < 1


@pytest.mark.parametrize(
    ("directive", "kind", "status"),
    [
        ("error=rate_limit", ErrorKind.RATE_LIMIT, 429),
        ("status=529", ErrorKind.OVERLOADED, 529),
        ("error=server_error status=502", ErrorKind.SERVER_ERROR, 502),
        ("error=connection", ErrorKind.CONNECTION, None),
        ("error=timeout", ErrorKind.TIMEOUT, 408),
        ("error=context_length", ErrorKind.CONTEXT_LENGTH, 400),
        ("error=credentials", ErrorKind.CREDENTIALS, 401),
    ],
)
async def test_failure_before_the_stream_is_raised_by_the_call(echo: EchoAdapter, directive, kind, status) -> None:
    request = ask(f"[echo {directive} retry_after=3] x")
    for attempt in (echo.chat(request, new_call()), echo.chat_stream(request, new_call())):
        error = await error_of(attempt)
        assert (error.kind, error.status, error.retry_after_s) == (kind, status, 3.0)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("burst", [1, 2, 50])
async def test_failure_after_n_pieces_comes_after_exactly_n(echo: EchoAdapter, after: int, burst: int) -> None:
    request = ask(f"[echo tokens=5 error=overloaded after={after} burst={burst}] x")
    stream = await echo.chat_stream(request, new_call())
    chunks, error = await read_until_error(stream)
    assert (error.kind, len([c for c in chunks if c.choices[0].delta.content])) == (ErrorKind.OVERLOADED, after)
    assert (stream.finished, stream.usage) == (False, None)
    await stream.aclose()


async def test_failure_after_more_pieces_than_there_are_never_comes(echo: EchoAdapter) -> None:
    stream = await echo.chat_stream(ask("[echo tokens=2 error=overloaded after=3] x"), new_call())
    await read_all(stream)
    assert stream.finished


async def test_list_models_names_the_one_model(echo: EchoAdapter) -> None:
    assert await echo.list_models(new_call()) == ("echo",)
    assert isinstance(echo, SupportsChat)
    assert isinstance(echo, SupportsCompletions)
    assert isinstance(echo, SupportsEmbeddings)
