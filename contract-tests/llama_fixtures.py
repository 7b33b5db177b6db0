"""A gateway before a genuine llama.cpp server with a real model, and what its tests ask; judges nothing."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_fixtures import fresh_database
from llama_server import ALIAS, Llama, llama_server
from openai.types.chat import ChatCompletion
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

ONCE = {"cache_prompt": True}
"""Asks the server to read a long prompt only once over several requests."""
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
DEFAULTS: dict[str, Any] = {"model": "local", "messages": QUESTION, "temperature": 0, "max_tokens": 40}
CONFIGURATION = """
providers:
  - {{name: local, adapter: openai_compatible, quirks: llamacpp, base_url: "{chat}"}}
  - {{name: local-vectors, adapter: openai_compatible, quirks: llamacpp, base_url: "{embeddings}"}}
models:
  - {{name: local, deployments: [{{provider: local, upstream_model: {model}}}]}}
  - {{name: local-vectors, deployments: [{{provider: local-vectors, upstream_model: {model}}}]}}
"""


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    with llama_server(tmp_path_factory.mktemp("llama"), free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def llama_embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    with llama_server(tmp_path_factory.mktemp("embedder"), free_port(), embeddings=True) as running:
        yield running


@pytest.fixture(scope="session")
def llama_gateway(
    gateway_cluster: Cluster, llama: Llama, llama_embedder: Llama, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    folder: Path = tmp_path_factory.mktemp("llama-gateway")
    database_url = fresh_database(gateway_cluster, "llamacpp")
    configuration = CONFIGURATION.format(chat=llama.url, embeddings=llama_embedder.url, model=ALIAS)
    apply_yaml(database_url, ORGANISATION + configuration, folder)
    with running_gateway(Settings(database_url=database_url, usage_flush_s=0.05)) as gateway:
        yield gateway


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def llama_client(llama_gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    llama_gateway.forget_rows()
    with openai.OpenAI(base_url=llama_gateway.url, api_key=TOKEN, max_retries=0, timeout=100) as client:
        yield client


@pytest.fixture
def llama_direct(llama: Llama) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=llama.url, api_key="none", max_retries=0, timeout=100) as client:
        yield client


def whole(client: openai.OpenAI, **fields: Any) -> ChatCompletion:
    fields = DEFAULTS | fields
    answer = client.chat.completions.create(**fields)
    assert isinstance(answer, ChatCompletion)
    return answer


def streamed(client: openai.OpenAI, **fields: Any) -> ChatCompletion:
    """The official client's own assembly of a stream."""
    fields = DEFAULTS | fields
    with client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as stream:
        return stream.get_final_completion()


def meaning(answer: ChatCompletion) -> list[dict[str, object]]:
    """What an answer says, without what is new each time."""
    return [
        {
            "text": choice.message.content or "",
            "calls": [
                (call.function.name, json.loads(call.function.arguments))
                for call in choice.message.tool_calls or []
                if call.type == "function"
            ],
            "finish": choice.finish_reason,
        }
        for choice in answer.choices
    ]


def counts(answer: ChatCompletion) -> tuple[int, int, int]:
    assert answer.usage is not None
    return answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens
