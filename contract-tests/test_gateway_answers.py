"""Several answers to one request at a provider that gives one at a time, and what a provider says of its limits."""

from collections.abc import Iterator

import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import TOKEN, RunningGateway
from upstreams import data_event, json_reply, sse_reply
from upstreams.faults import Fault

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to the gateway."}]


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def consumed(mocks: Mocks) -> tuple[int, int]:
    usages = [entry.usage for entry in mocks.anthropic.ledger if entry.usage is not None]
    return sum(usage.prompt for usage in usages), sum(usage.completion for usage in usages)


def test_two_whole_answers_are_one_answer_with_the_usage_of_both(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    answer = client.chat.completions.create(model="claude", messages=HELLO, n=2, max_tokens=100)

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content and choice.finish_reason == "stop" for choice in answer.choices)
    assert len(mocks.anthropic.ledger) == 2
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == consumed(mocks)
    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_source"]) == (*consumed(mocks), "provider")
    assert row["violations"] == []


def test_two_streamed_answers_are_one_stream_with_the_usage_of_both(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    chunks = list(
        client.chat.completions.create(
            model="claude", messages=HELLO, n=2, max_tokens=100, stream=True, stream_options={"include_usage": True}
        )
    )

    assert len({chunk.id for chunk in chunks}) == 1
    for index in (0, 1):
        mine = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert mine[0].delta.role == "assistant"
        assert "".join(choice.delta.content or "" for choice in mine)
        assert [choice.finish_reason for choice in mine if choice.finish_reason] == ["stop"]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == consumed(mocks)
    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_source"]) == (*consumed(mocks), "provider")


@pytest.mark.parametrize("stream", [False, True])
def test_failure_of_one_answer_is_tried_again_and_what_it_cost_is_booked(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, stream: bool
) -> None:
    mocks.anthropic.script(None, fault=Fault(error=529))
    asked = {"model": "claude", "messages": HELLO, "n": 2, "max_tokens": 100, "stream": stream}
    answer = client.chat.completions.create(**asked)
    indexes = {choice.index for one in (answer if stream else [answer]) for choice in one.choices}

    assert indexes == {0, 1}
    row = gateway.rows(1)[0]
    assert (row["status"], row["attempts"]) == (200, 2)
    prompt = max(entry.usage.prompt for entry in mocks.anthropic.ledger if entry.usage is not None)
    assert row["prompt_tokens"] > 2 * prompt  # the sibling of the one that failed has taken the prompt too


def test_more_answers_than_the_bound_are_refused(client: openai.OpenAI, mocks: Mocks) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="claude", messages=HELLO, n=9, max_tokens=100)
    assert refused.value.param == "n"
    assert mocks.anthropic.ledger == []


LIMITS = (
    ("x-ratelimit-remaining-requests", "41"),
    ("retry-after", "3"),
    ("set-cookie", "canary"),
    ("x-api-key", "canary"),
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_providers_limits_are_told_on_request_and_nothing_else_of_its_headers(
    client: openai.OpenAI, mocks: Mocks, asked: bool, stream: bool
) -> None:
    usage = {"input_tokens": 3, "output_tokens": 1}
    body = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
    content = [{"type": "text", "text": "Hi."}]
    whole = json_reply({**body, "content": content, "usage": usage}, headers=LIMITS)
    events = (
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    )
    streamed = sse_reply(tuple(data_event(event, str(event["type"])) for event in events), headers=LIMITS)
    mocks.anthropic.script(streamed if stream else whole)
    headers = {"x-aqueduct-include-provider-headers": "1"} if asked else {}
    with client.chat.completions.with_streaming_response.create(
        model="claude", messages=HELLO, stream=stream, extra_headers=headers
    ) as answer:
        answer.read()
    told = {name: value for name, value in answer.headers.items() if name.startswith("llm_provider-")}
    wanted = {"llm_provider-x-ratelimit-remaining-requests": "41", "llm_provider-retry-after": "3"}
    assert told == (wanted if asked else {})
    assert "canary" not in str(answer.headers)
