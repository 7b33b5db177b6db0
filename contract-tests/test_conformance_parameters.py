"""Behaviours of parameters, for every adapter: carried, changed and named, dropped and named, or refused."""

import pytest
from matrix import CLAUDE, GEMINI, OPENAI, Talk, behaviour, each

NO_SEED = each("Claude's API has no seed.", *CLAUDE)
NO_PENALTY = {
    **each("Claude's API has no penalties.", *CLAUDE),
    "google": "The Gemini API takes no penalties since Gemini 2.5.",
}
NO_BIAS = {
    **each("Claude's API has no bias of tokens.", *CLAUDE),
    **each("Gemini's API has no bias of tokens.", *GEMINI),
    "cohere": "Cohere's API v2 has no bias of tokens.",
    "mistral": "Mistral's API has no bias of tokens.",
    "ollama": "Ollama has no bias of tokens.",
}
NO_LOGPROBS = each("Claude's API gives no log probabilities.", *CLAUDE)
NO_USER = {
    **each("Gemini's API takes no user.", *GEMINI),
    "bedrock": "Converse takes no user.",
    "cohere": "Cohere's API takes no user.",
    "mistral": "Mistral's API takes no user.",
    "ollama": "Ollama takes no user.",
}


@behaviour("parameters.max_tokens", "`max_tokens` bounds the answer")
def test_parameters_max_tokens(talk: Talk) -> None:
    assert talk.ask("[text=400]", max_tokens=7).usage["completion_tokens"] == 7


@behaviour("parameters.max_completion_tokens", "`max_completion_tokens` does the same")
def test_parameters_max_completion_tokens(talk: Talk) -> None:
    assert talk.ask("[text=400]", max_completion_tokens=7).usage["completion_tokens"] == 7


@behaviour("parameters.no_bound", "Without a bound the answer is not cut short")
def test_parameters_no_bound(talk: Talk) -> None:
    assert talk.ask("[text=8000]").finish == "stop"


@behaviour("parameters.stop", "`stop` as a text and as a list reaches the provider")
@pytest.mark.usefixtures("mocks")
def test_parameters_stop(talk: Talk) -> None:
    for given, wanted in (("END", ["END"]), (["A", "B"], ["A", "B"])):
        talk.ask("hello", stop=given)
        assert talk.param("stop") in (given, wanted)


@behaviour("parameters.temperature", "`temperature` reaches the provider")
def test_parameters_temperature(talk: Talk) -> None:
    talk.ask("hello", temperature=0.25)

    assert talk.param("temperature") == 0.25


@behaviour("parameters.clamp", "A temperature above what the provider takes is lowered to it and named, not refused")
def test_parameters_clamp(talk: Talk) -> None:
    heard = talk.ask("hello", temperature=1.8)

    assert heard.text == "You said: hello"
    most = 1 if talk.subject.name in (*CLAUDE, "cohere") else 1.5 if talk.subject.name == "mistral" else 1.8
    assert talk.param("temperature") == most
    assert ("temperature" in heard.dropped) == (most < 1.8)


@behaviour("parameters.top_p", "`top_p` reaches the provider")
def test_parameters_top_p(talk: Talk) -> None:
    talk.ask("hello", top_p=0.5)

    assert talk.param("top_p") == 0.5


@behaviour("parameters.seed", "`seed` reaches the provider", unsupported=NO_SEED)
def test_parameters_seed(talk: Talk) -> None:
    heard = talk.ask("hello", seed=7)

    if not talk.declined(heard, "seed"):
        assert 7 in (talk.param("seed"), talk.sent.get("random_seed"))


@behaviour(
    "parameters.penalties", "`frequency_penalty` and `presence_penalty` reach the provider", unsupported=NO_PENALTY
)
def test_parameters_penalties(talk: Talk) -> None:
    heard = talk.ask("hello", frequency_penalty=0.5, presence_penalty=0.25)

    if not talk.declined(heard, "frequency_penalty", "presence_penalty"):
        assert (talk.param("frequency_penalty"), talk.param("presence_penalty")) == (0.5, 0.25)


@behaviour("parameters.logit_bias", "`logit_bias` reaches the provider", unsupported=NO_BIAS)
def test_parameters_logit_bias(talk: Talk) -> None:
    heard = talk.ask("hello", logit_bias={"50256": -100})

    if not talk.declined(heard, "logit_bias"):
        assert talk.sent["logit_bias"] == {"50256": -100}


@behaviour("parameters.logprobs", "`logprobs` is asked of the provider", unsupported=NO_LOGPROBS)
def test_parameters_logprobs(talk: Talk) -> None:
    heard = talk.ask("hello", logprobs=True)

    if not talk.declined(heard, "logprobs"):
        assert talk.param("logprobs") is True


@behaviour("parameters.user", "`user` reaches the provider, or is named as dropped", unsupported=NO_USER)
def test_parameters_user(talk: Talk) -> None:
    heard = talk.ask("hello", user="ada@example.org")

    if talk.declined(heard, "user"):
        assert "ada@example.org" not in talk.sent_text
    else:
        assert talk.param("user")


@behaviour("parameters.n", "`n: 2` gives two choices, with the usage of both")
def test_parameters_n(talk: Talk) -> None:
    heard = talk.ask("hello", n=2)

    choices = heard.body["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert all("You said: hello" in choice["message"]["content"] for choice in choices)
    assert all(choice["finish_reason"] == "stop" for choice in choices)
    assert heard.usage["completion_tokens"] > talk.ask("hello").usage["completion_tokens"]


@behaviour("parameters.n_streamed", "The same streamed: each choice has its role, its text and its end")
def test_parameters_n_streamed(talk: Talk) -> None:
    stream = talk.stream("hello", n=2)

    for index in (0, 1):
        own = [choice for choice in stream.choices if choice["index"] == index]
        assert [choice["delta"].get("role") for choice in own].count("assistant") == 1
        assert "You said: hello" in "".join(choice["delta"].get("content") or "" for choice in own)
        assert [choice["finish_reason"] for choice in own if choice["finish_reason"]] == ["stop"]
    assert stream.events[-1] == "[DONE]"


@behaviour("parameters.n_one", "`n: 1` changes nothing")
def test_parameters_n_one(talk: Talk) -> None:
    assert talk.ask("hello", n=1).text == "You said: hello"


@behaviour(
    "parameters.drop",
    "An unknown field is named as dropped; servers of OpenAI's format get it and may refuse it themselves",
)
def test_parameters_drop(talk: Talk) -> None:
    heard = talk.ask("hello", brand_new={"a": 1})

    if talk.subject.name in OPENAI:
        asked = talk.upstream.requests[-1].json()
        assert asked["brand_new"] == {"a": 1}
        assert heard.answer.status == 200 or "brand_new" in heard.error["message"]
        return
    assert heard.answer.status == 200
    assert (talk.sent.get("brand_new") == {"a": 1}) != ("brand_new" in heard.dropped)


@behaviour("parameters.reject", "With `extra_params: reject` an unknown field is a 400 that names it")
def test_parameters_reject(talk: Talk) -> None:
    heard = talk.ask("hello", to="-reject", brand_new={"a": 1})

    assert heard.refused(400, "unsupported_parameter")
    assert heard.error["param"] == "brand_new"
    assert talk.upstream.ledger == []


NO_FIELDS = {"ollama": "Ollama's own fields stand in `options`, which alone is forwarded."}


@behaviour(
    "parameters.forward", "With `extra_params: forward` an unknown field reaches the provider", unsupported=NO_FIELDS
)
def test_parameters_forward(talk: Talk) -> None:
    talk.upstream.validate = False
    try:
        heard = talk.ask("hello", to="-forward", brand_new={"a": 1})
    finally:
        talk.upstream.validate = True

    if not talk.declined(heard, "brand_new"):
        assert heard.answer.status == 200
        assert '"brand_new": {"a": 1}' in talk.sent_text


@behaviour("parameters.null", "`null` for an optional parameter is the same as leaving it out")
def test_parameters_null(talk: Talk) -> None:
    names = (
        "temperature",
        "top_p",
        "stop",
        "seed",
        "n",
        "tools",
        "tool_choice",
        "response_format",
        "user",
        "max_tokens",
    )

    heard = talk.ask("hello", **dict.fromkeys(names))

    assert heard.text == "You said: hello"
    assert heard.dropped == set()


@behaviour("parameters.wrong_type", "A wrong type is a 400 that names the field, and reaches no provider")
def test_parameters_wrong_type(talk: Talk) -> None:
    heard = talk.ask("hello", temperature="hot")

    assert heard.answer.status == 400
    assert heard.error["param"] == "temperature"
    assert talk.upstream.ledger == []
