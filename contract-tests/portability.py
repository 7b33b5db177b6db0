"""Conversations whose providers want signatures back: gateways, clients, and what the mocks were sent."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_fixtures import Mocks, fresh_database
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway
from upstreams import Upstream
from upstreams.recordings import JsonObject

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

KEY = base64.b64encode(b"k" * 32).decode()
SENTINEL = "skip_thought_signature_validator"
MODELS = """
providers:
  - {{name: openai, adapter: openai, base_url: "{openai}/v1", secret: env:TEST_SECRET}}
  - {{name: anthropic, adapter: anthropic, base_url: "{anthropic}", secret: env:TEST_SECRET}}
  - {{name: google, adapter: google, base_url: "{google}/v1beta", secret: env:TEST_SECRET}}
  - name: deepseek
    adapter: openai_compatible
    quirks: deepseek
    base_url: "{compatible}/v1"
    secret: env:TEST_SECRET
  - name: vertex
    adapter: vertex
    base_url: "{vertex}"
    secret: env:TEST_SECRET
    options: {{project: demo, location: europe-west4}}
  - name: vertex-claude
    adapter: vertex
    base_url: "{vertex_claude}"
    secret: env:TEST_SECRET
    options: {{project: demo, location: europe-west1}}
  - {{name: openrouter, adapter: openrouter, base_url: "{openrouter}/v1", secret: env:TEST_SECRET}}
  - {{name: bedrock, adapter: bedrock, base_url: "{bedrock}", secret: env:TEST_SECRET}}
models:
  - {{name: openrouter, deployments: [{{provider: openrouter, upstream_model: anthropic/claude-sonnet-4.5}}]}}
  - {{name: deepseek, deployments: [{{provider: deepseek, upstream_model: deepseek-reasoner}}]}}
  - {{name: vertex-gemini, deployments: [{{provider: vertex, upstream_model: gemini-3-pro-preview}}]}}
  - name: vertex-claude
    deployments: [{{provider: vertex-claude, upstream_model: "claude-sonnet-4-5@20250929"}}]
  - name: bedrock
    deployments: [{{provider: bedrock, upstream_model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}}]
  - name: either
    deployments:
      - {{provider: openai, upstream_model: gpt-5, priority: 0}}
      - {{provider: google, upstream_model: gemini-3-pro-preview, priority: 1}}
  - {{name: gpt, deployments: [{{provider: openai, upstream_model: gpt-4o-mini}}]}}
  - {{name: claude, deployments: [{{provider: anthropic, upstream_model: claude-sonnet-4-5}}]}}
  - {{name: claude-adaptive, deployments: [{{provider: anthropic, upstream_model: claude-opus-4-8}}]}}
  - {{name: gemini, deployments: [{{provider: google, upstream_model: gemini-3-pro-preview}}]}}
  - name: gemini-unkept
    signature_vault: false
    deployments: [{{provider: google, upstream_model: gemini-3-pro-preview}}]
"""
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks something up.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
    for name in ("weather", "time")
]
Start = Callable[..., AbstractContextManager[RunningGateway]]


@pytest.fixture
def start(gateway_cluster: Cluster, mocks: Mocks, tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Start replicas on one fresh database."""
    url = fresh_database(gateway_cluster, f"portability_{abs(hash(request.node.nodeid))}")
    models = MODELS.format(**{name: getattr(mocks, name).url for name in mocks.__struct_fields__})
    apply_yaml(url, ORGANISATION + models, tmp_path)

    @contextmanager
    def started(**settings: Any) -> Iterator[RunningGateway]:
        values = {"secret_key": KEY, "max_attempts": 1, "usage_flush_s": 0.05, **settings}
        with running_gateway(Settings(database_url=url, **values)) as gateway:
            yield gateway

    return started


def drops_unknown_fields(message: JsonObject) -> JsonObject:
    """What LangChain and others put back into the history."""
    kept = {"role": "assistant", "content": message.get("content")}
    if message.get("tool_calls"):
        names = ("id", "type", "function")
        kept["tool_calls"] = [{name: call[name] for name in names} for call in message["tool_calls"]]
    return kept


def ask(
    gateway: RunningGateway, model: str, messages: list[JsonObject], *, streamed: bool = False, token: str = TOKEN
) -> JsonObject:
    """Return the answer's message with all its fields."""
    fields: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "tools": TOOLS,
        "reasoning_effort": "low",
        "max_completion_tokens": 4096,
    }
    if model == "gpt":
        del fields["reasoning_effort"]
    with openai.OpenAI(base_url=gateway.url, api_key=token, max_retries=0) as client:
        if not streamed:
            return client.chat.completions.create(**fields).choices[0].message.model_dump(exclude_unset=True)
        chunks = client.chat.completions.create(**fields, stream=True)
        return folded(chunk.model_dump(exclude_unset=True) for chunk in chunks)


def folded(chunks: Iterator[JsonObject]) -> JsonObject:
    """Put the deltas together as a client does that keeps what it does not know."""
    message: JsonObject = {"role": "assistant", "content": None}
    calls: dict[int, JsonObject] = {}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
        for name in ("content", "reasoning_content", "reasoning"):
            if delta.get(name):
                message[name] = (message.get(name) or "") + delta[name]
        if delta.get("extra_content"):
            message["extra_content"] = delta["extra_content"]
        message.setdefault("reasoning_details", []).extend(delta.get("reasoning_details") or [])
        for piece in delta.get("tool_calls") or []:
            call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
            call |= {name: piece[name] for name in ("id", "extra_content") if piece.get(name)}
            function = piece.get("function") or {}
            call["function"]["name"] += function.get("name") or ""
            call["function"]["arguments"] += function.get("arguments") or ""
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return message


def with_results(history: list[JsonObject], answer: JsonObject, keep: Callable[[JsonObject], JsonObject]) -> None:
    """Add an answer that calls tools, and their results."""
    assert len(answer["tool_calls"]) == 2, answer
    history.append(keep(answer))
    history += [
        {"role": "tool", "tool_call_id": call["id"], "content": f"{call['function']['name']}: fine"}
        for call in answer["tool_calls"]
    ]


def sent_signatures(upstream: Upstream) -> list[str | None]:
    """The signatures of the function calls in the last request, in order; None for a call that has none."""
    body = json.loads(upstream.requests[-1].body)
    parts = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    return [part.get("thoughtSignature") for part in parts]


def sent_thinking(upstream: Upstream) -> list[str]:
    """The signatures of the thinking blocks in the last request, in order."""
    body = json.loads(upstream.requests[-1].body)
    contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    blocks = [block for content in contents for block in content]
    return [block["signature"] for block in blocks if block["type"] == "thinking"]


def sample(gateway: RunningGateway, name: str, **labels: str) -> float:
    return gateway.parts.metrics.registry.get_sample_value(name, labels) or 0.0


def vault_samples(gateway: RunningGateway) -> list[object]:
    registry = gateway.parts.metrics.registry
    samples = [one for metric in registry.collect() for one in metric.samples]
    return [one for one in samples if "signature_vault_total" in one.name]
