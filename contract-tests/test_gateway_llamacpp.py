"""A genuine llama.cpp server behind the gateway: real tokens and its own errors, read by the official client."""

import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from gateway_fixtures import fresh_database
from llama_server import CONTEXT_TOKENS, llama_server
from openai.types.chat import ChatCompletionMessageParam
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
CONFIGURATION = """
providers: [{{name: local, adapter: openai_compatible, quirks: llamacpp, base_url: "{url}"}}]
models: [{{name: local, deployments: [{{provider: local, upstream_model: tiny}}]}}]
"""


@pytest.fixture(scope="module")
def served(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("llama")
    with llama_server(folder, free_port()) as url:
        database_url = fresh_database(gateway_cluster, "llamacpp")
        apply_yaml(database_url, ORGANISATION + CONFIGURATION.format(url=url), folder)
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


def test_log_probabilities_pass_through(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="local", messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2)

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in logprobs.content)


def test_legacy_completion_passes_through(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="local", prompt="once upon", max_tokens=4)

    assert answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 4


def test_prompt_that_is_too_long_is_told_as_such(client: openai.OpenAI, served: RunningGateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="local", messages=[{"role": "user", "content": "x" * 2 * CONTEXT_TOKENS}], max_tokens=1
        )

    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert served.rows(1)[0]["attempts"] == 1


def test_operation_that_the_server_was_not_started_for_is_its_own_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model="local", input="x")

    assert caught.value.status_code in {400, 502}
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
