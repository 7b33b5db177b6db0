"""A conversation that moves between providers with its tools, with clients that keep every field and those that do not.

The mocks refuse what the providers refuse: a call without its thought signature, thinking that is missing before the
calls that are being answered, and what another provider has signed.
"""

from collections.abc import Callable
from functools import partial

import pytest
from gateway_fixtures import Mocks
from portability import SENTINEL, Start, ask, drops_unknown_fields, sent_signatures, sent_thinking, with_results
from upstreams.dialects import anthropic_answers, google_answers
from upstreams.recordings import JsonObject


def keeps_everything(message: JsonObject) -> JsonObject:
    return message


CLIENTS = [keeps_everything, drops_unknown_fields]


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
