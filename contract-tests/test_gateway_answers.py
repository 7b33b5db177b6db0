"""Several answers to one request, through the whole gateway, at a provider that gives one at a time."""

from collections.abc import Iterator

import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import TOKEN, RunningGateway
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
