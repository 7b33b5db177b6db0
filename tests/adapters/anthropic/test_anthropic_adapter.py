"""Exchanges with the provider: headers, paused turns, model pages, usage over several rounds."""

import json

import msgspec
import pytest

from adapters import held
from adapters.anthropic import AnthropicAdapter
from adapters.anthropic.continuation import MAX_ROUNDS
from adapters.anthropic.usage import Reported
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import STREAM_HEADERS, Played, PlayedResponse
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest
from tests.adapters.anthropic import exchanges
from tests.adapters.anthropic.exchanges import SEARCH, USAGE, text, thinking, web_citation

PAUSED = [thinking("Search."), text("Searching."), *SEARCH, {**SEARCH[0], "id": "srvtoolu_2"}]
REST = [{**SEARCH[1], "tool_use_id": "srvtoolu_2"}, text(" Sunny.", web_citation("https://ulm.example", "Ulm"))]
REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Weather in Ulm?"}]}


class Script(Transport):
    """Gives the answers in order and keeps what was asked."""

    def __init__(self, *answers: bytes, streamed: bool = False) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.responses: list[PlayedResponse] = []
        self.streamed = streamed

    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        answer = self.answers.pop(0)
        pieces = [answer[start : start + 100] for start in range(0, len(answer), 100)]
        response = PlayedResponse(Played(pieces, headers=STREAM_HEADERS) if self.streamed else Played(pieces))
        self.responses.append(response)
        return response

    async def aclose(self) -> None:
        return

    def sent_blocks(self, number: int) -> list[dict]:
        return json.loads(self.requests[number].body)["messages"][-1]["content"]


def call(**changes) -> Call:
    fields = {
        "id": "d",
        "model": "m",
        "provider": "p",
        "adapter": "anthropic",
        "upstream_model": "claude-sonnet-4-5",
        "credential": Secret("key-1"),
    }
    return Call(deployment=Deployment(**{**fields, **changes}), request_id="r", deadline=9e9)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({**REQUEST, **fields}), type=ChatRequest)


def headers_of(sent: Request) -> dict[bytes, bytes]:
    headers = dict(sent.headers)
    assert len(headers) == len(sent.headers)
    return headers


async def test_chat_sends_the_key_the_version_and_the_operators_headers() -> None:
    script = Script(exchanges.whole(text("Hi")))
    own = {"X-Team": "a", "Anthropic-Beta": "one-2026, two-2026"}
    await AnthropicAdapter(script).chat(request(), call(headers=own))
    assert script.requests[0].url == "https://api.anthropic.com/v1/messages"
    assert headers_of(script.requests[0]) == {
        b"content-type": b"application/json",
        b"anthropic-version": b"2023-06-01",
        b"x-api-key": b"key-1",
        b"anthropic-beta": b"one-2026,two-2026",
        b"x-team": b"a",
    }


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/prefix", "http://127.0.0.1:9/prefix/v1"])
async def test_chat_takes_the_base_url_with_and_without_version_and_needs_no_key_there(base_url: str) -> None:
    script = Script(exchanges.whole(text("Hi")))
    await AnthropicAdapter(script).chat(request(), call(base_url=base_url, credential=None))
    assert script.requests[0].url == "http://127.0.0.1:9/prefix/v1/messages"
    assert b"x-api-key" not in headers_of(script.requests[0])


async def test_chat_without_credential_is_refused_before_anything_is_sent() -> None:
    script = Script()
    with pytest.raises(ProviderError) as caught:
        await AnthropicAdapter(script).chat(request(), call(credential=None))
    assert caught.value.kind is ErrorKind.CREDENTIALS
    assert script.requests == []


async def test_chat_continues_a_paused_turn_and_sums_its_usage() -> None:
    script = Script(exchanges.whole(*PAUSED, stop="pause_turn"), exchanges.whole(*REST))
    result = await AnthropicAdapter(script).chat(request(web_search_options={}), call())
    message = result.body.choices[0].message
    assert script.sent_blocks(1) == PAUSED
    searches = sum(block.get("name") == "web_search" for block in PAUSED)
    assert [json.loads(one.body)["tools"][0]["max_uses"] for one in script.requests] == [10, 10 - searches]
    assert message.content == "Searching. Sunny."
    assert message.annotations[0].url_citation.start_index == len("Searching.")
    assert message.tool_calls is msgspec.UNSET
    assert result.body.choices[0].finish_reason == "stop"
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (2 * 2311, 2 * 42)
    assert (result.usage.cached_tokens, result.usage.cache_write_1h_tokens, result.usage.reasoning_tokens) == (
        4000,
        400,
        60,
    )
    assert json.loads(bytes(result.usage.raw)) == [USAGE, USAGE]
    assert all(response.released for response in script.responses)


async def test_chat_stream_continues_a_paused_turn_as_the_whole_answer_does() -> None:
    script = Script(exchanges.stream(*PAUSED, stop="pause_turn"), exchanges.stream(*REST), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(web_search_options={}), call())
    chunks = [chunk async for some in stream for chunk in some]
    await stream.aclose()
    assert script.sent_blocks(1) == PAUSED
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "Searching. Sunny."
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    (annotations,) = [delta.annotations for delta in deltas if delta.annotations]
    assert annotations[0].url_citation.start_index == len("Searching.")
    assert stream.finished
    assert stream.native_finish_reason == "end_turn"
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (2 * 2311, 2 * 42)
    assert stream.usage.source == "provider"
    assert all(response.released for response in script.responses)


async def test_chat_that_never_stops_pausing_ends_as_cut_off() -> None:
    script = Script(*[exchanges.whole(text("."), *SEARCH, stop="pause_turn")] * (MAX_ROUNDS + 1))
    result = await AnthropicAdapter(script).chat(request(web_search_options={}), call())
    assert len(script.requests) == MAX_ROUNDS
    assert result.body.choices[0].finish_reason == "length"
    assert result.native_finish_reason == "pause_turn"


async def test_chat_stream_that_never_stops_pausing_ends_as_cut_off() -> None:
    script = Script(*[exchanges.stream(text("."), stop="pause_turn")] * (MAX_ROUNDS + 1), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(web_search_options={}), call())
    chunks = [chunk async for some in stream for chunk in some]
    assert len(script.requests) == MAX_ROUNDS
    assert chunks[-1].choices[0].finish_reason == "length"
    assert stream.finished


async def test_chat_paused_without_tools_of_the_provider_is_cut_off_at_once() -> None:
    script = Script(exchanges.whole(text("Half"), stop="pause_turn"))
    result = await AnthropicAdapter(script).chat(request(), call())
    assert result.body.choices[0].finish_reason == "length"


async def test_chat_stream_whose_continuation_fails_raises_and_is_not_finished() -> None:
    script = Script(exchanges.stream(*PAUSED, stop="pause_turn"), exchanges.event(exchanges.ERROR), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(web_search_options={}), call())
    with pytest.raises(ProviderError) as caught:
        async for _ in stream:
            pass
    assert caught.value.kind is ErrorKind.OVERLOADED
    assert caught.value.upstream_request_id == "req_1"
    assert not stream.finished
    assert stream.usage.prompt_tokens == 2311


@pytest.mark.parametrize("streamed", [False, True])
async def test_chat_paused_turn_that_grows_beyond_the_bound_is_a_bad_response(
    streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 3000)
    round_of = exchanges.stream if streamed else exchanges.whole
    wanted = request(web_search_options={})
    script = Script(*[round_of(text("x" * 800), stop="pause_turn")] * MAX_ROUNDS, streamed=streamed)

    async def ask() -> None:
        if not streamed:
            await AnthropicAdapter(script).chat(wanted, call())
            return
        async for _ in await AnthropicAdapter(script).chat_stream(wanted, call()):
            pass

    with pytest.raises(ProviderError) as caught:
        await ask()
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
    assert 1 < len(script.requests) < MAX_ROUNDS


@pytest.mark.parametrize("streamed", [False, True])
async def test_chat_stream_error_document_in_its_place_is_the_providers_error(streamed: bool) -> None:
    """TRAPS 19."""
    script = Script(json.dumps(exchanges.ERROR, indent=1).encode(), streamed=streamed)
    stream = await AnthropicAdapter(script).chat_stream(request(), call())
    with pytest.raises(ProviderError) as caught:
        await anext(aiter(stream))
    await stream.aclose()
    assert (caught.value.kind, caught.value.upstream_request_id) == (ErrorKind.OVERLOADED, "req_1")


async def test_list_models_follows_the_pages() -> None:
    pages = [
        {"data": [{"id": "claude-b"}, {"id": "claude-a"}], "has_more": True, "last_id": "claude-a"},
        {"data": [{"id": "claude-c"}], "has_more": False, "last_id": "claude-c"},
    ]
    script = Script(*map(exchanges.encode, pages))
    assert await AnthropicAdapter(script).list_models(call()) == ("claude-a", "claude-b", "claude-c")
    assert script.requests[1].url.endswith("/v1/models?limit=1000&after_id=claude-a")
    assert script.requests[0].method == "GET"


async def test_list_models_that_never_end_stop_at_the_same_cursor() -> None:
    page = exchanges.encode({"data": [{"id": "x"}], "has_more": True, "last_id": "x"})
    script = Script(page, page, page)
    assert await AnthropicAdapter(script).list_models(call()) == ("x",)
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"input_tokens": 5, "output_tokens": 3}, (5, 3, None, None, None, None)),
        (
            {"input_tokens": 5, "output_tokens": 3, "cache_creation_input_tokens": 10},
            (15, 3, None, 10, None, None),
        ),
        (
            {
                "input_tokens": 5,
                "output_tokens": 3,
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_1h_input_tokens": 4},
            },
            (15, 3, None, 10, 4, None),
        ),
        (
            {
                "input_tokens": 5,
                "output_tokens": 3,
                "cache_read_input_tokens": 0,
                "output_tokens_details": {"thinking_tokens": 2},
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 20},
                    {"type": "message", "input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 0},
                ],
            },
            (105, 23, 0, None, None, 2),
        ),
        ({}, (None, None, None, None, None, None)),
    ],
)
def test_usage_is_inclusive_and_tells_unreported_from_zero(reported: dict, expected: tuple) -> None:
    usage = Reported()
    usage.add(msgspec.Raw(exchanges.encode(reported)))
    found = usage.usage(final=True)
    assert found.violations() == ()
    assert (
        found.prompt_tokens,
        found.completion_tokens,
        found.cached_tokens,
        found.cache_write_tokens,
        found.cache_write_1h_tokens,
        found.reasoning_tokens,
    ) == expected


FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "refusal": "content_filter",
}


@pytest.mark.parametrize("native", FINISHES)
async def test_finish_reason_is_one_of_openai_s_whole_and_streamed(native: str) -> None:
    adapter = AnthropicAdapter(Script(exchanges.whole(text("Sunny."), stop=native)))
    result = await adapter.chat(request(), call())
    script = Script(exchanges.stream(text("Sunny."), stop=native), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(), call())
    chunks = [chunk async for some in stream for chunk in some]
    await stream.aclose()

    assert result.body.choices[0].finish_reason == FINISHES[native]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == [FINISHES[native]]


@pytest.mark.parametrize("category", [None, "bio"])
async def test_refusal_tells_its_category_whole_and_streamed(category: str | None) -> None:
    fields = {"stop": "refusal", "stop_details": {"type": "refusal", "category": category}}
    result = await AnthropicAdapter(Script(exchanges.whole(text("No."), **fields))).chat(request(), call())
    script = Script(exchanges.stream(text("No."), **fields), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(), call())
    chunks = [chunk async for some in stream for chunk in some]
    await stream.aclose()
    expected = {"bio": {"filtered": True}} if category is not None else None
    for choice in (result.body.choices[0], chunks[-1].choices[0]):
        assert json.loads(msgspec.json.encode(choice)).get("content_filter_results") == expected


async def test_citation_holds_the_text_that_it_quotes_whole_and_streamed() -> None:
    quoting = {**web_citation("https://ulm.example", "Ulm"), "cited_text": "Ulm lies on the Danube."}
    result = await AnthropicAdapter(Script(exchanges.whole(text("Sunny.", quoting)))).chat(request(), call())
    script = Script(exchanges.stream(text("Sunny.", quoting)), streamed=True)
    stream = await AnthropicAdapter(script).chat_stream(request(), call())
    chunks = [chunk async for some in stream for chunk in some]
    await stream.aclose()
    notes = [note for chunk in chunks for note in chunk.choices[0].delta.annotations or ()]
    for found in (result.body.choices[0].message.annotations, notes):
        assert [note.url_citation.content for note in found] == ["Ulm lies on the Danube."]
