"""The official `openai` client through the gateway to every provider: the same meaning, whole and streamed."""

from collections.abc import Iterator

import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import OTHER_TOKEN, TOKEN, RunningGateway
from upstreams import Upstream

MODELS = ["gpt", "gpt-azure", "llama", "claude", "gemini"]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to the gateway."}]


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def upstream_of(mocks: Mocks, model: str) -> Upstream:
    return {"gpt-azure": mocks.azure, "llama": mocks.compatible, "claude": mocks.anthropic, "gemini": mocks.google}.get(
        model, mocks.openai
    )


@pytest.mark.parametrize("model", MODELS)
def test_chat_whole_answer_and_usage_row_agree_with_the_upstreams_ledger(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=100)

    entry = upstream_of(mocks, model).ledger[0]
    assert answer.model == model
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert entry.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (entry.usage.prompt, entry.usage.completion)
    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (entry.usage.prompt, entry.usage.completion)
    assert (row["usage_source"], row["status"], row["streamed"]) == ("provider", 200, False)
    assert row["violations"] == []


@pytest.mark.parametrize("model", MODELS)
def test_chat_stream_means_the_same_as_the_whole_answer(
    client: openai.OpenAI, gateway: RunningGateway, model: str
) -> None:
    whole = client.chat.completions.create(model=model, messages=HELLO, max_tokens=100)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=100, stream=True, stream_options={"include_usage": True}
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.model for chunk in chunks} == {model}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    first, second = gateway.rows(2)
    assert (first["streamed"], second["streamed"]) == (False, True)
    for counter in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "usage_source"):
        assert first[counter] == second[counter], counter


def test_chat_without_include_usage_sends_no_usage_but_records_it(
    client: openai.OpenAI, gateway: RunningGateway
) -> None:
    chunks = list(client.chat.completions.create(model="gpt", messages=HELLO, stream=True))

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert gateway.rows(1)[0]["usage_source"] == "provider"


def test_models_lists_only_what_the_token_may_use(client: openai.OpenAI, gateway: RunningGateway) -> None:
    mine = [model.id for model in client.models.list()]
    with openai.OpenAI(base_url=gateway.url, api_key=OTHER_TOKEN, max_retries=0) as other:
        theirs = [model.id for model in other.models.list()]
        with pytest.raises(openai.NotFoundError) as caught:
            other.chat.completions.create(model="claude", messages=HELLO)

    assert "hidden" not in mine
    assert {"gpt", "claude", "gemini", "echo"} <= set(mine)
    assert theirs == ["echo", "gpt"]
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_aliases_and_wildcard_models_reach_their_upstream_model(client: openai.OpenAI, mocks: Mocks) -> None:
    by_alias = client.chat.completions.create(model="gpt-alias", messages=HELLO)
    by_wildcard = client.chat.completions.create(model="openai/gpt-4.1-nano", messages=HELLO)

    assert (by_alias.model, by_wildcard.model) == ("gpt-alias", "openai/gpt-4.1-nano")
    assert [entry.call.model for entry in mocks.openai.ledger] == ["gpt-4o-mini", "gpt-4.1-nano"]


@pytest.mark.parametrize("path", ["", "/v1"])
def test_every_path_works_with_and_without_the_version_prefix(gateway: RunningGateway, path: str) -> None:
    base_url = f"http://127.0.0.1:{gateway.port}{path}"
    with openai.OpenAI(base_url=base_url, api_key=TOKEN, max_retries=0) as client:
        assert client.chat.completions.create(model="echo", messages=HELLO).choices[0].message.content
        assert client.models.retrieve("echo").id == "echo"
