"""Signatures of tool calls and thinking that the client dropped are put back, or their loss is made good."""

import json
from functools import partial
from typing import Any

import openai
import pytest
from gateway_fixtures import Mocks
from portability import (
    SENTINEL,
    Start,
    ask,
    drops_unknown_fields,
    sample,
    sent_signatures,
    sent_thinking,
    vault_samples,
    with_results,
)
from running_gateway import OTHER_TOKEN, TOKEN, RunningGateway
from serving_process import wait_until
from upstreams import Fault, recording
from upstreams.dialects import anthropic_answers, bedrock_answers, google_answers
from upstreams.recordings import JsonObject


def first_step(gateway: RunningGateway, model: str, **options: Any) -> list[JsonObject]:
    """Return a history whose calls are answered, of a client that drops what it does not know."""
    history: list[JsonObject] = [{"role": "user", "content": "Begin. [tools=2]"}]
    with_results(history, ask(gateway, model, history, **options), drops_unknown_fields)
    return history


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
