"""Searches are counted as a stream shows them, so that one that breaks off is booked with them."""

import msgspec
import pytest

from adapters.anthropic.request import to_messages_request
from adapters.anthropic.stream import MessagesToChunks
from adapters.chunks import ChunkBuilder
from adapters.errors import ProviderError
from adapters.sse import SseParser
from schemas.chat_request import ChatRequest
from tests.adapters.anthropic import exchanges
from tests.adapters.anthropic.exchanges import SEARCH, USAGE, text
from tests.adapters.anthropic.translate import call

FAILED = {**SEARCH[1], "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}}
FETCH = {"type": "server_tool_use", "id": "srvtoolu_2", "name": "web_fetch", "input": {"url": "https://ulm.example"}}
ASKED = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "web_search_options": {}}'


def translator() -> MessagesToChunks:
    translation = to_messages_request(msgspec.json.decode(ASKED, type=ChatRequest), call(), stream=True)
    return MessagesToChunks(translation, ChunkBuilder(chunk_id="c", model="m", created=1))


def after(stream: MessagesToChunks, data: bytes, until: str) -> None:
    """Feed a stream up to the first event of a type, exclusive."""
    for event in SseParser().feed(data):
        if event.name == until.encode():
            return
        stream.feed(event)


@pytest.mark.parametrize(
    ("blocks", "searches"),
    [
        ([text("Hi")], None),
        ([text("Hi"), SEARCH[0]], 1),
        ([*SEARCH, *SEARCH, text("Hi")], 2),
        ([SEARCH[0], FAILED, *SEARCH], 1),
        ([SEARCH[0], FAILED], 0),
        ([FETCH, text("Hi")], None),
    ],
)
def test_broken_off_stream_has_the_searches_it_showed(blocks: list[dict], searches: int | None) -> None:
    stream = translator()
    after(stream, exchanges.stream(*blocks), "message_delta")
    assert stream.usage is not None
    assert (stream.usage.queries, stream.usage.source) == (searches, "provider_partial")
    with pytest.raises(ProviderError):
        stream.finish()


@pytest.mark.parametrize("reported", [None, 0, 1, 5])
def test_finished_stream_has_the_searches_that_were_reported(reported: int | None) -> None:
    stream = translator()
    tools = {} if reported is None else {"server_tool_use": {"web_search_requests": reported}}
    after(stream, exchanges.stream(*SEARCH, *SEARCH, text("Hi"), usage=USAGE | tools), "never")
    assert stream.finished
    assert (stream.usage.queries, stream.usage.source) == (reported, "provider")


def test_stream_that_says_zero_at_its_start_counts_what_it_shows() -> None:
    stream = translator()
    usage = USAGE | {"server_tool_use": {"web_search_requests": 0}}
    after(stream, exchanges.stream(*SEARCH, text("Hi"), usage=usage), "message_delta")
    assert stream.usage.queries == 1


def test_searches_of_a_second_round_are_added_to_those_of_the_first() -> None:
    stream = translator()
    stream.may_continue = True
    usage = USAGE | {"server_tool_use": {"web_search_requests": 3}}
    after(stream, exchanges.stream(*SEARCH, stop="pause_turn", usage=usage), "never")
    assert stream.paused
    stream.resume()
    after(stream, exchanges.stream(*SEARCH, *SEARCH, text("Hi")), "message_delta")
    assert (stream.usage.queries, stream.usage.source) == (5, "provider_partial")
