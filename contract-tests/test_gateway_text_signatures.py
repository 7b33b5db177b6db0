"""Signatures of plain text: kept for clients that drop them, and put back on the text that they sign."""

import json
from typing import Any

import pytest
from gateway_fixtures import Mocks
from portability import Start, ask, drops_unknown_fields, sample, sent_thinking, vault_samples
from running_gateway import OTHER_TOKEN, RunningGateway
from upstreams import Upstream, recording
from upstreams.dialects import anthropic_answers, bedrock_answers, google_answers, openrouter
from upstreams.recordings import JsonObject


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
