"""The echo model does what its directives, its request and its configuration say, and nothing else."""

import asyncio
import base64
import json
import math
import struct

import msgspec
import pytest

from adapters.base import Call, Deployment, SupportsChat, SupportsCompletions, SupportsEmbeddings
from adapters.conformance.fold import said_chunks, said_whole
from adapters.echo import EchoAdapter
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest
from schemas.completions import CompletionRequest
from schemas.embeddings import EmbeddingRequest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SHELL = {"type": "custom", "custom": {"name": "shell"}}


@pytest.fixture
def echo() -> EchoAdapter:
    return EchoAdapter(None, clock=lambda: 1_760_000_000.5)


def new_call(*, deadline_s: float = 10, options=None, extra=None, **changes) -> Call:
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="echo", upstream_model="echo-1", options=options or {}, **changes
    )
    deadline = asyncio.get_running_loop().time() + deadline_s
    return Call(deployment=deployment, request_id="req-1", deadline=deadline, extra_params=extra or {})


def ask(text: str = "Hello, world!", **fields) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return msgspec.json.decode(json.dumps(body), type=ChatRequest)


async def read_all(stream) -> list:
    return [chunk async for chunks in stream for chunk in chunks]


async def read_until_error(stream) -> tuple[list, ProviderError]:
    seen = []
    try:
        async for chunks in stream:
            seen += chunks
    except ProviderError as error:
        return seen, error
    pytest.fail("the stream did not fail")


async def said(echo: EchoAdapter, request: ChatRequest, **call):
    """What the first choice says, the same whole and streamed."""
    result = await echo.chat(request, new_call(**call))
    stream = await echo.chat_stream(request, new_call(**call))
    whole, streamed = said_whole(result.body), said_chunks(await read_all(stream))
    assert whole == streamed
    assert result.usage == stream.usage
    return whole[0], result


async def error_of(awaitable) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await awaitable
    return caught.value


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


# --- directives


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


# --- pace and failures


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


# --- request parameters


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


# --- tools


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


# --- legacy completions


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


# --- embeddings and models


async def test_embeddings_are_unit_vectors_of_their_text_alone(echo: EchoAdapter) -> None:
    result = await echo.embeddings(EmbeddingRequest(model="m", input=["one", "two", "one"]), new_call())
    vectors = [item.embedding for item in result.body.data]
    assert vectors[0] == vectors[2] != vectors[1]
    assert [len(vector) for vector in vectors] == [256] * 3
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)
    assert [item.index for item in result.body.data] == [0, 1, 2]
    assert (result.usage.prompt_tokens, result.body.usage.total_tokens) == (3, 3)


async def test_embeddings_base64_is_the_same_vector_in_float32(echo: EchoAdapter) -> None:
    request = EmbeddingRequest(model="m", input="x", dimensions=7)
    plain = (await echo.embeddings(request, new_call())).body.data[0].embedding
    encoded = await echo.embeddings(msgspec.structs.replace(request, encoding_format="base64"), new_call())
    numbers = struct.unpack("<7f", base64.b64decode(encoded.body.data[0].embedding))
    assert numbers == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("given", [[1, 2], [[1, 2], [3]], ["a"], "a"])
async def test_embeddings_every_form_of_input_is_taken(echo: EchoAdapter, given) -> None:
    result = await echo.embeddings(EmbeddingRequest(model="m", input=given, dimensions=2), new_call())
    assert len(result.body.data) == (2 if isinstance(given[0], list) else 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {"input": ["x"] * 2049},
        {"input": "x", "dimensions": 0},
        {"input": "x", "dimensions": 8193},
        {"input": ["x"] * 2000, "dimensions": 8000},
    ],
)
async def test_embeddings_out_of_bounds_are_refused(echo: EchoAdapter, fields: dict) -> None:
    error = await error_of(echo.embeddings(EmbeddingRequest(model="m", **fields), new_call()))
    assert error.kind is ErrorKind.INVALID_REQUEST


async def test_embeddings_fail_as_told(echo: EchoAdapter) -> None:
    error = await error_of(echo.embeddings(EmbeddingRequest(model="m", input="[echo status=429] x"), new_call()))
    assert error.kind is ErrorKind.RATE_LIMIT


async def test_list_models_names_the_one_model(echo: EchoAdapter) -> None:
    assert await echo.list_models(new_call()) == ("echo",)
    assert isinstance(echo, SupportsChat)
    assert isinstance(echo, SupportsCompletions)
    assert isinstance(echo, SupportsEmbeddings)
