"""What a prompt cache saved and cost, from the provider's answer to the client's usage and to the row (TRAPS 4)."""

from collections.abc import Iterator

import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import TOKEN, RunningGateway
from upstreams import data_event, json_reply, sse_reply

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to the gateway."}]
USAGE = {
    "input_tokens": 3,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 1,
}
BODY = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
EVENTS = (
    {"type": "message_start", "message": {**BODY, "content": [], "stop_reason": None, "usage": USAGE}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
)


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
def test_cached_and_written_tokens_of_both_lifetimes_reach_the_client_and_the_row(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, stream: bool
) -> None:
    whole = {**BODY, "content": [{"type": "text", "text": "Hi."}], "usage": {**USAGE, "output_tokens": 7}}
    streamed = sse_reply(tuple(data_event(event, str(event["type"])) for event in EVENTS))
    mocks.anthropic.script(streamed if stream else json_reply(whole))
    if stream:
        options = {"include_usage": True}
        answer = client.chat.completions.create(model="claude", messages=HELLO, stream=True, stream_options=options)
        usage = list(answer)[-1].usage
    else:
        usage = client.chat.completions.create(model="claude", messages=HELLO).usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1503, 7, 1510)
    details = usage.prompt_tokens_details
    assert details is not None
    assert (details.cached_tokens, details.to_dict()["cache_write_tokens"]) == (1000, 500)
    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["cached_tokens"]) == (1503, 1000)
    assert (row["cache_write_tokens"], row["cache_write_1h_tokens"]) == (500, 300)
    assert (row["usage_source"], row["violations"]) == ("provider", [])
