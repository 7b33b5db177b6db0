"""Behaviours of reasoning, for every adapter."""

from matrix import GEMINI, Talk, behaviour, each, result, tool, user
from upstreams.recordings import JsonObject

NO_TEXT = each("OpenAI's chat API keeps the reasoning to itself.", "openai", "azure_openai")
NOT_SIGNED = {
    **each("OpenAI's chat API has no reasoning to send back.", "openai", "azure_openai", "openai_compatible"),
    **each("The provider does not sign its reasoning.", "cohere", "mistral", "ollama"),
}
LOOK = tool("look", {"type": "object", "properties": {"at": {"type": "string"}}})


@behaviour("reasoning.effort", "`reasoning_effort` reaches the provider in its own terms")
def test_reasoning_effort(talk: Talk) -> None:
    heard = talk.ask("hello", to="-reasoning", reasoning_effort="high", max_tokens=4000)

    assert heard.finish == "stop"
    body = talk.sent
    match talk.subject.dialect:
        case "anthropic" | "cohere":
            assert body["thinking"]["type"] in {"enabled", "adaptive"}
        case "google":
            assert body["generationConfig"]["thinkingConfig"]["includeThoughts"] is True
        case "bedrock":
            assert {"reasoning_config", "thinking"} & body["additionalModelRequestFields"].keys()
        case "ollama":
            assert body["think"] == "high"
        case _:
            assert body["reasoning_effort"] == "high"


@behaviour("reasoning.off", "`reasoning_effort: none` switches it off where the provider can")
def test_reasoning_off(talk: Talk) -> None:
    heard = talk.ask("hello", to="-reasoning", reasoning_effort="none")

    assert heard.finish == "stop"
    assert not heard.message.get("reasoning_content")


@behaviour(
    "reasoning.out",
    "Reasoning comes out apart from the text, in `reasoning_content` and `reasoning`",
    unsupported=NO_TEXT,
)
def test_reasoning_out(talk: Talk) -> None:
    message = talk.ask("hello", reasoning_effort="high", max_tokens=4000).message

    if talk.unsupported:
        assert not message.get("reasoning_content")
        return
    assert message["reasoning_content"] == message["reasoning"] == "Thinking about: hello"
    assert message["content"] == "You said: hello"


@behaviour(
    "reasoning.streamed", "Streamed reasoning comes in the same two places, before the text", unsupported=NO_TEXT
)
def test_reasoning_streamed(talk: Talk) -> None:
    stream = talk.stream("hello", reasoning_effort="high", max_tokens=4000)

    if talk.unsupported:
        assert stream.reading.reasoning == ""
        return
    assert stream.reading.reasoning == "Thinking about: hello"
    kinds = ["text" if choice["delta"].get("content") else "" for choice in stream.choices]
    thoughts = [index for index, choice in enumerate(stream.choices) if choice["delta"].get("reasoning_content")]
    assert max(thoughts) < kinds.index("text")
    assert all(
        choice["delta"].get("reasoning_content") == choice["delta"].get("reasoning") for choice in stream.choices
    )


@behaviour(
    "reasoning.signatures",
    "Signed reasoning sent back by the client reaches the provider unchanged",
    unsupported=NOT_SIGNED,
)
def test_reasoning_signatures(talk: Talk) -> None:
    asked = talk.ask("[tool] Look", tools=[LOOK], reasoning_effort="high", max_tokens=4000)
    (call,) = asked.calls

    messages = [user("[tool] Look"), asked.message, result(call["id"], "a wall")]
    heard = talk.ask(messages, tools=[LOOK], reasoning_effort="high", max_tokens=4000)

    assert heard.finish == "stop"
    if not talk.unsupported:
        assert signature_of(talk) in talk.sent_text


@behaviour(
    "reasoning.details",
    "Streamed signatures come as `reasoning_details` that say whose they are",
    unsupported={
        **NOT_SIGNED,
        **each("Gemini signs its calls: the signature stands at the call, in `extra_content`.", *GEMINI),
    },
)
def test_reasoning_details(talk: Talk) -> None:
    stream = talk.stream("[think] hello", reasoning_effort="high", max_tokens=4000)

    details = [one for choice in stream.choices for one in choice["delta"].get("reasoning_details") or []]
    if talk.unsupported:
        return
    signed: list[JsonObject] = [one for one in details if one.get("signature")]
    assert [one["signature"] for one in signed] == [signature_of(talk)]
    assert any(one.get("format") for one in details if one["index"] == signed[0]["index"])


def signature_of(talk: Talk) -> str:
    """What the mock signs with."""
    return "bW9jay10aG91Z2h0LXNpZ25hdHVyZQ==" if talk.subject.name in GEMINI else "bW9jay1zaWduYXR1cmU="


@behaviour("reasoning.foreign", "Reasoning of another provider in the history does not make this one refuse")
def test_reasoning_foreign(talk: Talk) -> None:
    foreign = {
        "role": "assistant",
        "content": "ho",
        "reasoning_content": "a thought of another",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "a thought", "signature": "c2ln", "format": "another-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "another-v1", "index": 1},
        ],
    }

    assert talk.ask([user("hi"), foreign, user("hello")]).finish == "stop"
    if talk.subject.name != "openrouter":  # which has many providers behind it, and sorts them out
        assert "ZGF0YQ==" not in talk.sent_text


@behaviour(
    "reasoning.usage",
    "Reasoning tokens are counted, as a part of the completion",
    unsupported={
        **each("Bedrock does not count reasoning apart.", "bedrock"),
        **each("Mistral does not count reasoning apart.", "mistral"),
        **each("Ollama does not count reasoning apart.", "ollama"),
    },
)
def test_reasoning_usage(talk: Talk) -> None:
    usage = talk.ask("[think] hello", reasoning_effort="high", max_tokens=4000).usage

    counted = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    if talk.unsupported:
        assert not counted
        return
    assert counted == talk.upstream.ledger[-1].usage.reasoning
    assert 0 < counted <= usage["completion_tokens"]
