"""A genuine llama.cpp server behind the gateway: real tokens and its own errors, read by the official client."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest
from gateway_fixtures import fresh_database
from llama_server import CONTEXT_TOKENS, llama_server
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
CONFIGURATION = """
providers:
  - {{name: local, adapter: openai_compatible, quirks: llamacpp, base_url: "{chat}"}}
  - {{name: local-vectors, adapter: openai_compatible, quirks: llamacpp, base_url: "{embeddings}"}}
models:
  - {{name: local, deployments: [{{provider: local, upstream_model: tiny}}]}}
  - {{name: local-vectors, deployments: [{{provider: local-vectors, upstream_model: tiny}}]}}
"""


class Plan(pydantic.BaseModel):
    day: Literal["today", "tomorrow"]


@pytest.fixture(scope="module")
def served(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("llama")
    with (
        llama_server(folder, free_port()) as chat,
        llama_server(folder, free_port(), embeddings=True) as embeddings,
    ):
        database_url = fresh_database(gateway_cluster, "llamacpp")
        apply_yaml(database_url, ORGANISATION + CONFIGURATION.format(chat=chat, embeddings=embeddings), folder)
        with running_gateway(Settings(database_url=database_url, usage_flush_s=0.05)) as gateway:
            yield gateway


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def client(served: RunningGateway) -> Iterator[openai.OpenAI]:
    served.forget_rows()
    with openai.OpenAI(base_url=served.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def test_chat_whole_and_streamed_say_the_same_and_cost_the_same(client: openai.OpenAI, served: RunningGateway) -> None:
    whole = client.chat.completions.create(model="local", messages=HELLO, max_tokens=16, temperature=0, seed=1)
    chunks = list(
        client.chat.completions.create(
            model="local",
            messages=HELLO,
            max_tokens=16,
            temperature=0,
            seed=1,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == (
        whole.choices[0].message.content
    )
    assert whole.choices[0].finish_reason in {"length", "stop"}
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens <= 16
    rows = served.rows(2)
    assert [row["completion_tokens"] for row in rows] == [whole.usage.completion_tokens] * 2
    assert {row["usage_source"] for row in rows} == {"provider"}


def test_log_probabilities_pass_through_whole_and_streamed(client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"model": "local", "messages": HELLO, "max_tokens": 3, "logprobs": True, "top_logprobs": 2}
    fields["logit_bias"] = {str(ord("A")): 100}  # on any processor the same three letters
    whole = client.chat.completions.create(**fields)
    chunks = list(client.chat.completions.create(**fields, stream=True))

    assert whole.choices[0].message.content == "AAA"
    tokens = whole.choices[0].logprobs.content
    assert [token.token for token in tokens] == ["A", "A", "A"]
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)
    streamed = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices and chunk.choices[0].logprobs]
    assert [token.token for found in streamed for token in found.content or []] == ["A", "A", "A"]


def test_schema_is_enforced_by_the_server_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.parse(model="local", messages=HELLO, response_format=Plan, max_tokens=400)
    with client.chat.completions.stream(model="local", messages=HELLO, response_format=Plan, max_tokens=400) as stream:
        streamed = stream.get_final_completion()

    assert isinstance(whole.choices[0].message.parsed, Plan)
    assert isinstance(streamed.choices[0].message.parsed, Plan)


def test_tools_their_calls_and_results_reach_the_servers_prompt(client: openai.OpenAI) -> None:
    history: list[ChatCompletionMessageParam] = [
        *HELLO,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"},
    ]

    def prompt_tokens(messages: list[ChatCompletionMessageParam], **fields: Any) -> int:
        answer = client.chat.completions.create(model="local", messages=messages, max_tokens=1, **fields)
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    plain = prompt_tokens(HELLO)
    with_tool = prompt_tokens(HELLO, tools=[TOOL])
    # A token of this model is a byte, so every name that the template prints is counted.
    assert with_tool > plain + len("get_weather") + len("The weather in a city")
    assert prompt_tokens(HELLO, tools=[TOOL], tool_choice="none") <= with_tool
    assert prompt_tokens(history, tools=[TOOL]) > with_tool + len("get_weather") + len("22 degrees")


def test_embeddings_pass_through_in_both_encodings(client: openai.OpenAI, served: RunningGateway) -> None:
    floats = client.embeddings.create(model="local-vectors", input=["one", "two"], encoding_format="float")
    packed = client.embeddings.create(model="local-vectors", input=["one", "two"])

    assert [item.index for item in floats.data] == [0, 1]
    assert floats.data[0].embedding != floats.data[1].embedding
    for exact, found in zip(floats.data, packed.data, strict=True):
        assert found.embedding == pytest.approx(exact.embedding, abs=1e-6)
    rows = served.rows(2)
    assert {row["usage_source"] for row in rows} == {"provider"}
    assert {row["prompt_tokens"] for row in rows} == {floats.usage.prompt_tokens}


def test_legacy_completion_passes_through(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="local", prompt="once upon", max_tokens=4)

    assert answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 4


def test_legacy_completion_whole_and_streamed_say_the_same(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="local", prompt="once upon", max_tokens=4, temperature=0, logprobs=2)
    chunks = list(
        client.completions.create(model="local", prompt="once upon", max_tokens=4, temperature=0, stream=True)
    )

    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert whole.choices[0].logprobs is not None


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_prompt_that_is_too_long_is_told_as_such(client: openai.OpenAI, *, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="local", prompt="x" * 2 * CONTEXT_TOKENS, max_tokens=1, stream=stream)

    assert caught.value.code == "context_length_exceeded"


def test_parameter_that_the_server_does_not_have_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="local", messages=HELLO, max_tokens=1, n=2)

    assert "n" in caught.value.message
    assert isinstance(caught.value.code, str)


def test_prompt_that_is_too_long_is_told_as_such(client: openai.OpenAI, served: RunningGateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="local", messages=[{"role": "user", "content": "x" * 2 * CONTEXT_TOKENS}], max_tokens=1
        )

    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert served.rows(1)[0]["attempts"] == 1


def test_operation_that_the_server_was_not_started_for_is_told_as_such_and_not_tried_again(
    client: openai.OpenAI, served: RunningGateway
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="local", input="x")

    assert "does not support embeddings" in caught.value.message
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert isinstance(caught.value.code, str)
    assert served.rows(1)[0]["attempts"] == 1
