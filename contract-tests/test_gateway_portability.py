"""A conversation that moves between providers with its tools, with clients that keep every field and those that do not.

The mocks refuse what the providers refuse: a call without its thought signature, thinking that is missing before the
calls that are being answered, and what another provider has signed.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from gateway_fixtures import Mocks, fresh_database
from running_gateway import ORGANISATION, OTHER_TOKEN, TOKEN, RunningGateway, apply_yaml, running_gateway
from serving_process import wait_until
from upstreams import Fault, Upstream, recording
from upstreams.dialects import anthropic_answers, bedrock_answers, google_answers, openrouter
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
Ask = Callable[..., JsonObject]


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


def keeps_everything(message: JsonObject) -> JsonObject:
    return message


def drops_unknown_fields(message: JsonObject) -> JsonObject:
    """What LangChain and others put back into the history."""
    kept = {"role": "assistant", "content": message.get("content")}
    if message.get("tool_calls"):
        names = ("id", "type", "function")
        kept["tool_calls"] = [{name: call[name] for name in names} for call in message["tool_calls"]]
    return kept


CLIENTS = [keeps_everything, drops_unknown_fields]


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


def first_step(gateway: RunningGateway, model: str, **options: Any) -> list[JsonObject]:
    """Return a history whose calls are answered, of a client that drops what it does not know."""
    history: list[JsonObject] = [{"role": "user", "content": "Begin. [tools=2]"}]
    with_results(history, ask(gateway, model, history, **options), drops_unknown_fields)
    return history


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


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("keep", CLIENTS)
def test_conversation_that_moves_between_providers_keeps_working(
    start: Start, mocks: Mocks, keep: Callable[[JsonObject], JsonObject], *, streamed: bool
) -> None:
    """Traps 21 and 22."""
    history: list[JsonObject] = []
    with start() as gateway:
        asked = partial(ask, gateway, streamed=streamed)
        for step, model in enumerate(["gemini", "claude", "gpt", "gemini"]):
            history.append({"role": "user", "content": f"Step {step}. [tools=2]"})
            with_results(history, asked(model, history), keep)
            answer = asked(model, history)
            assert answer["content"].startswith("The tool says: "), (step, answer)
            history.append(keep(answer))
            if model == "claude":
                assert sent_thinking(mocks.anthropic) == [anthropic_answers.SIGNATURE]

    signature = google_answers.SIGNATURE
    # its own of the first step, what Claude and OpenAI called, its own of the last step
    assert sent_signatures(mocks.google) == [signature, None, SENTINEL, None, SENTINEL, None, signature, None]
    ids = [call["id"] for message in history for call in message.get("tool_calls") or []]
    assert len(set(ids)) == len(ids) == 8
    assert all(len(call_id) <= 64 for call_id in ids)


@pytest.mark.parametrize("keep", CLIENTS)
@pytest.mark.parametrize(("first", "second"), [("gemini", "claude"), ("claude", "gemini"), ("gpt", "gemini")])
def test_tool_results_sent_to_another_provider_than_called_them_are_taken(
    start: Start, keep: Callable[[JsonObject], JsonObject], first: str, second: str
) -> None:
    """A fallback in the middle of a tool loop."""
    with start() as gateway:
        history: list[JsonObject] = [{"role": "user", "content": "Begin. [tools=2]"}]
        with_results(history, ask(gateway, first, history), keep)
        assert ask(gateway, second, history)["content"].startswith("The tool says: ")
        history.append(keep(ask(gateway, second, history)))
        history.append({"role": "user", "content": "And now you. [tools=2]"})
        with_results(history, ask(gateway, second, history), keep)
        assert ask(gateway, first, history)["content"].startswith("The tool says: ")


@pytest.mark.parametrize("model", ["claude", "claude-adaptive"])
def test_thinking_that_the_client_dropped_is_sent_back_first_and_signed(start: Start, mocks: Mocks, model: str) -> None:
    with start() as gateway:
        history = first_step(gateway, model)
        ask(gateway, model, history)

    body = json.loads(mocks.anthropic.requests[-1].body)
    assert body["thinking"]["type"] in {"enabled", "adaptive"}
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "tool_use", "tool_use"]
    assert body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Thinking about: Begin. [tools=2]",
        "signature": anthropic_answers.SIGNATURE,
    }


@pytest.mark.parametrize(
    ("model", "mock", "signature"),
    [
        ("vertex-gemini", "vertex", google_answers.SIGNATURE),
        ("vertex-claude", "vertex_claude", anthropic_answers.SIGNATURE),
        ("bedrock", "bedrock", bedrock_answers.SIGNATURE),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_dropped_signature_is_put_back_on_the_clouds_too(
    start: Start, mocks: Mocks, model: str, mock: str, signature: str, *, streamed: bool
) -> None:
    with start() as gateway:
        history = first_step(gateway, model, streamed=streamed)
        assert signature not in json.dumps(history)
        ask(gateway, model, history, streamed=streamed)
    assert getattr(mocks, mock).requests[-1].body.count(signature.encode()) == 1


def test_readable_reasoning_is_put_back_for_a_server_that_refuses_calls_without_it(start: Start, mocks: Mocks) -> None:
    recorded = recording("gpustack/chat.completions__ruby_llm__chat_function_calling_gpustack_qwen3_can_use_tools__0")
    history: list[JsonObject] = [{"role": "user", "content": "Begin."}]
    with start() as gateway:
        mocks.compatible.script(recorded)
        answer = ask(gateway, "deepseek", history)
        history.append(drops_unknown_fields(answer))
        history += [{"role": "tool", "tool_call_id": one["id"], "content": "fine"} for one in answer["tool_calls"]]
        ask(gateway, "deepseek", history)
    sent = json.loads(mocks.compatible.requests[-1].body)["messages"]
    assert sent[1]["reasoning_content"] == answer["reasoning_content"] != ""


def test_fallback_to_a_provider_that_wants_signatures_gets_them(start: Start, mocks: Mocks) -> None:
    with start(max_attempts=2) as gateway:
        history = first_step(gateway, "gemini")
        mocks.openai.script(None, fault=Fault(error=503))
        ask(gateway, "either", history)
    assert google_answers.SIGNATURE.encode() not in mocks.openai.requests[-1].body
    assert sent_signatures(mocks.google) == [google_answers.SIGNATURE, None]


def test_signature_survives_a_restart_between_turns(start: Start, mocks: Mocks) -> None:
    with start() as gateway:
        history = first_step(gateway, "gemini", streamed=True)
    with start() as gateway:
        ask(gateway, "gemini", history)
        assert sample(gateway, "aqueduct_signature_vault_total", result="database_hit") == 1
    assert sent_signatures(mocks.google) == [google_answers.SIGNATURE, None]


def test_signature_is_read_by_another_replica(start: Start, mocks: Mocks) -> None:
    with start() as first, start() as second:
        history = first_step(first, "gemini")
        vault = first.parts.vault
        assert vault is not None
        wait_until(lambda: vault.waiting == 0, 10.0, "the signature is written")
        ask(second, "gemini", history)
    assert sent_signatures(mocks.google) == [google_answers.SIGNATURE, None]


def test_signature_of_another_owner_is_not_used(start: Start, mocks: Mocks) -> None:
    with start() as gateway:
        history = first_step(gateway, "gemini")
        ask(gateway, "gemini", history, token=OTHER_TOKEN)
        assert sent_signatures(mocks.google) == [SENTINEL, None]
        ask(gateway, "gemini", history)
        assert sent_signatures(mocks.google) == [google_answers.SIGNATURE, None]


def test_signature_that_has_expired_gives_way_to_the_sentinel_which_is_counted(start: Start, mocks: Mocks) -> None:
    with start(vault_ttl_s=0.001) as gateway:
        history = first_step(gateway, "gemini")
        before = sample(gateway, "aqueduct_missing_signatures_total", provider="google")
        ask(gateway, "gemini", history)
        assert sent_signatures(mocks.google) == [SENTINEL, None]
        counted = partial(sample, gateway, "aqueduct_missing_signatures_total", provider="google")
        wait_until(lambda: counted() > before, 10.0, "the sentinel is counted")
        assert sample(gateway, "aqueduct_signature_vault_total", result="miss") == 1


def test_thinking_that_is_lost_turns_thinking_off_for_the_rest_of_the_loop(start: Start, mocks: Mocks) -> None:
    with start(vault_ttl_s=0) as gateway:
        history = first_step(gateway, "claude")
        ask(gateway, "claude", history)
    body = json.loads(mocks.anthropic.requests[-1].body)
    assert body.get("thinking") is None
    assert sent_thinking(mocks.anthropic) == []


def test_model_with_the_vault_switched_off_keeps_nothing(start: Start, mocks: Mocks) -> None:
    with start() as gateway:
        history = first_step(gateway, "gemini-unkept")
        ask(gateway, "gemini-unkept", history)
        assert sent_signatures(mocks.google) == [SENTINEL, None]
        assert sample(gateway, "aqueduct_signature_vault_total", result="kept") == 0


def test_vault_without_a_secret_key_works_until_the_restart(start: Start, mocks: Mocks) -> None:
    with start(secret_key=None) as gateway:
        history = first_step(gateway, "gemini")
        ask(gateway, "gemini", history)
    assert sent_signatures(mocks.google) == [google_answers.SIGNATURE, None]
    with start(secret_key=None) as gateway:
        ask(gateway, "gemini", history)
    assert sent_signatures(mocks.google) == [SENTINEL, None]


def spoken(gateway: RunningGateway, model: str, **options: Any) -> list[JsonObject]:
    """Return a history with one answer in words, of a client that drops what it does not know."""
    history: list[JsonObject] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    answer = ask(gateway, model, history, **options)
    assert answer["content"]
    assert not answer.get("tool_calls")
    return [*history, drops_unknown_fields(answer), {"role": "user", "content": "And?"}]


def signed_texts(upstream: Upstream) -> list[str | None]:
    """The signatures of the model's texts in the last request to Google, in order."""
    body = json.loads(upstream.requests[-1].body)
    turns = [content["parts"] for content in body["contents"] if content["role"] == "model"]
    return [part.get("thoughtSignature") for parts in turns for part in parts if part.get("text")]


TALKS = [
    ("gemini", "google", google_answers.SIGNATURE),
    ("claude", "anthropic", anthropic_answers.SIGNATURE),
    ("claude-adaptive", "anthropic", anthropic_answers.SIGNATURE),
    ("bedrock", "bedrock", bedrock_answers.SIGNATURE),
    ("vertex-gemini", "vertex", google_answers.SIGNATURE),
    ("openrouter", "openrouter", openrouter.SIGNATURE),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("model", "mock", "signature"), TALKS)
def test_signature_of_a_plain_text_that_the_client_dropped_is_put_back(
    start: Start, mocks: Mocks, model: str, mock: str, signature: str, *, streamed: bool
) -> None:
    """Trap 22, for turns without tools: the signature stands on the text, or the thinking before it."""
    with start() as gateway:
        history = spoken(gateway, model, streamed=streamed)
        assert signature not in json.dumps(history)
        answer = ask(gateway, model, history, streamed=streamed)
        assert getattr(mocks, mock).requests[-1].body.count(signature.encode()) == 1
        history += [drops_unknown_fields(answer), {"role": "user", "content": "And then?"}]
        ask(gateway, model, history, streamed=streamed)
    assert getattr(mocks, mock).requests[-1].body.count(signature.encode()) == 2


def test_signature_of_a_text_is_put_on_the_text_that_it_signs(start: Start, mocks: Mocks) -> None:
    with start() as gateway:
        history = spoken(gateway, "gemini")
        history[2]["content"] = [{"type": "text", "text": f" {history[2]['content']}\n"}]
        ask(gateway, "gemini", history)
        assert signed_texts(mocks.google) == [google_answers.SIGNATURE]
        history[2]["content"] = "Something else."
        ask(gateway, "gemini", history)
        assert signed_texts(mocks.google) == [None]


def test_conversation_in_words_that_moves_between_providers_brings_each_its_own_signatures(
    start: Start, mocks: Mocks
) -> None:
    history: list[JsonObject] = []
    with start() as gateway:
        for step, model in enumerate(["gemini", "claude", "gpt", "gemini", "claude"]):
            history.append({"role": "user", "content": f"Step {step}."})
            history.append(drops_unknown_fields(ask(gateway, model, history, streamed=step % 2 == 1)))
    assert signed_texts(mocks.google) == [google_answers.SIGNATURE, None, None]
    assert sent_thinking(mocks.anthropic) == [anthropic_answers.SIGNATURE]


def test_signature_of_a_text_is_its_owners_alone_and_outlives_a_restart(start: Start, mocks: Mocks) -> None:
    with start() as gateway:
        history = spoken(gateway, "gemini", streamed=True)
        ask(gateway, "gemini", history, token=OTHER_TOKEN)
        assert signed_texts(mocks.google) == [None]
    with start() as gateway:
        ask(gateway, "gemini", history, token=OTHER_TOKEN)
        assert signed_texts(mocks.google) == [None]
        ask(gateway, "gemini", history)
        assert signed_texts(mocks.google) == [google_answers.SIGNATURE]
        assert sample(gateway, "aqueduct_signature_vault_total", result="database_hit") == 1


@pytest.mark.parametrize("settings", [{"vault_ttl_s": 0.001}, {"vault_ttl_s": 0}], ids=["expired", "off"])
def test_text_whose_signature_is_gone_is_sent_without(start: Start, mocks: Mocks, settings: JsonObject) -> None:
    with start(**settings) as gateway:
        ask(gateway, "gemini", spoken(gateway, "gemini"))
        assert signed_texts(mocks.google) == [None]
        ask(gateway, "gemini-unkept", spoken(gateway, "gemini-unkept"))
        assert signed_texts(mocks.google) == [None]


def test_text_of_a_server_that_wants_reasoning_back_with_calls_alone_is_not_kept(start: Start, mocks: Mocks) -> None:
    recorded = recording("llamacpp/chat.completions__rig__permission_control_prompt_example__1")
    with start() as gateway:
        mocks.compatible.script(recorded)
        ask(gateway, "deepseek", spoken(gateway, "deepseek"))
        assert vault_samples(gateway) == []


def vault_samples(gateway: RunningGateway) -> list[object]:
    registry = gateway.parts.metrics.registry
    samples = [one for metric in registry.collect() for one in metric.samples]
    return [one for one in samples if "signature_vault_total" in one.name]


def test_requests_that_need_no_signature_do_not_touch_the_vault(start: Start) -> None:
    plain: list[JsonObject] = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "And?"},
    ]
    with start() as gateway:
        ask(gateway, "gpt", plain)
        ask(gateway, "gpt", plain, streamed=True)
        history = [{"role": "user", "content": "Begin. [tools=2]"}]
        with_results(history, ask(gateway, "gpt", history), drops_unknown_fields)
        ask(gateway, "gpt", history)
        unthinking = {"model": "claude", "messages": plain}
        with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
            client.chat.completions.create(**unthinking)
        assert vault_samples(gateway) == []
