"""Behaviours of plain text, of turns and of system prompts, for every adapter."""

from matrix import Talk, assistant, behaviour, user
from running_gateway import TOKEN


@behaviour("text.answer", "A whole answer is a chat completion with text and `stop`")
def test_text_answer(talk: Talk) -> None:
    heard = talk.ask("What is an aqueduct?")

    assert heard.text == "You said: What is an aqueduct?"
    assert heard.finish == "stop"
    assert heard.message["role"] == "assistant"
    assert heard.body["object"] == "chat.completion"
    assert heard.body["created"] > 1_600_000_000
    assert len(heard.body["choices"]) == 1


@behaviour("text.fields", "Fields that OpenAI always answers are there: an empty list, nulls, both objects of details")
def test_text_fields(talk: Talk) -> None:
    heard = talk.ask("What is an aqueduct?")

    assert heard.message["annotations"] == []
    assert heard.message["refusal"] is None
    assert heard.choice["logprobs"] is None
    assert isinstance(heard.usage["prompt_tokens_details"], dict)
    assert isinstance(heard.usage["completion_tokens_details"], dict)


@behaviour("text.unicode", "Every script, emoji and escape survives both ways")
def test_text_unicode(talk: Talk) -> None:
    words = 'Ünïcödé 漢字 עברית 🛰️👩‍🚀 "quoted" \\ back\ttab\nline \u2028 end'

    assert talk.ask(words).text == f"You said: {words}"


@behaviour("text.model", "`model` is the name that the client asked for, whatever the provider calls it")
def test_text_model(talk: Talk) -> None:
    heard = talk.ask()

    assert heard.body["model"] == talk.subject.name
    assert heard.answer.headers["x-aqueduct-provider"] == talk.subject.name
    assert talk.upstream.ledger[-1].call.model == talk.subject.upstream_model


STRANGE = (
    ("cookie", "session=client-canary"),
    ("openai-organization", "client-canary"),
    ("anthropic-beta", "client-canary"),
    ("x-amz-security-token", "client-canary"),
    ("x-goog-user-project", "client-canary"),
    ("x-forwarded-for", "203.0.113.77"),
    ("user-agent", "client-canary"),
)


@behaviour("text.credential", "The provider gets the deployment's credential, and no header or key of the client's")
def test_text_credential(talk: Talk) -> None:
    given = {"api_key": "client-canary", "api_base": "http://client-canary.example", "base_url": "http://client-canary"}
    heard = talk.ask_with(STRANGE, **given)

    assert heard.text == "You said: hello"
    assert set(given) <= heard.dropped
    sent = talk.upstream.ledger[-1].exchange.request
    for secret in ("client-canary", "203.0.113.77", TOKEN):
        assert secret not in f"{sent.target} {sent.headers} {sent.body!r}"


@behaviour("text.cut", "An answer that the token limit cuts ends with `length`")
def test_text_cut(talk: Talk) -> None:
    heard = talk.ask("[text=400]", max_tokens=5)

    assert heard.finish == "length"
    assert len(heard.text) == 20


@behaviour("text.long", "A long answer and a long prompt arrive whole")
def test_text_long(talk: Talk) -> None:
    padding = "stone and water " * 4000

    heard = talk.ask(f"{padding}[text=200000]", max_tokens=60000)

    assert len(heard.text) == 200000
    assert padding in talk.sent_text


@behaviour("text.parts", "Text as a list of parts arrives whole and in order")
def test_text_parts(talk: Talk) -> None:
    parts = [{"type": "text", "text": "first "}, {"type": "text", "text": "second"}]

    assert talk.ask([user(parts)]).text == "You said: first second"


@behaviour("turns.history", "Earlier turns reach the provider in order")
def test_turns_history(talk: Talk) -> None:
    talk.ask([user("one-1"), assistant("two-2"), user("three-3"), assistant("four-4"), user("five-5")])

    places = [talk.sent_text.index(word) for word in ("one-1", "two-2", "three-3", "four-4", "five-5")]
    assert places == sorted(places)


@behaviour("turns.same_role", "Two messages of one role in a row are taken")
def test_turns_same_role(talk: Talk) -> None:
    heard = talk.ask([user("one-1"), user("two-2")])

    assert "two-2" in heard.text
    assert "one-1" in talk.sent_text


@behaviour("turns.assistant_first", "A history that begins with the assistant is taken")
def test_turns_assistant_first(talk: Talk) -> None:
    heard = talk.ask([assistant("welcome-1"), user("hello-2")])

    assert heard.text == "You said: hello-2"
    assert "welcome-1" in talk.sent_text


@behaviour("turns.empty_text", "Empty texts in the history do not make the provider refuse")
def test_turns_empty_text(talk: Talk) -> None:
    heard = talk.ask([user("one"), assistant(""), user("two")])

    assert "two" in heard.text


@behaviour("turns.system", "A system message steers and is no turn")
def test_turns_system(talk: Talk) -> None:
    heard = talk.ask([{"role": "system", "content": "Be-brief-1"}, user("hello")])

    assert heard.text == "You said: hello"
    assert "Be-brief-1" in talk.sent_text


@behaviour("turns.developer", "A developer message does what a system message does")
def test_turns_developer(talk: Talk) -> None:
    heard = talk.ask([{"role": "developer", "content": "Be-brief-2"}, user("hello")])

    assert heard.text == "You said: hello"
    assert "Be-brief-2" in talk.sent_text


@behaviour("turns.systems", "Several system messages keep their order, also between turns")
def test_turns_systems(talk: Talk) -> None:
    first, second = ({"role": "system", "content": text} for text in ("first-1", "second-2"))

    heard = talk.ask([first, user("hi"), assistant("ho"), second, user("hello")])

    assert heard.text == "You said: hello"
    assert talk.sent_text.index("first-1") < talk.sent_text.index("second-2")


@behaviour("turns.names", "`name` of a message does not make the provider refuse")
def test_turns_names(talk: Talk) -> None:
    heard = talk.ask([{**user("hello"), "name": "ada"}])

    assert heard.text == "You said: hello"
