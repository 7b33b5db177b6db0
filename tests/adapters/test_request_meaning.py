"""Whatever conversation a client sends, every dialect's body says the same: nothing is lost, and the order is kept.

Conversations are generated; what they say is read from the request and from the body by `tests.adapters.meaning`, which
shares no code with the adapters. The types of the providers' own packages accept each body (`tests.adapters.dialects`).
"""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import registry
from tests.adapters.dialects import DIALECTS, sent
from tests.adapters.meaning import READERS, Atom, of_openai

PNG = "data:image/png;base64,"
IMAGES = [f"iVBORw0KGgo{letter}" for letter in string.ascii_uppercase[:8]]
# Cohere's models with vision have a name of their own, and the others take no image.
MODELS_WITHOUT_SIGHT = {"deepseek", "cohere"}
SPEAK_ANOTHERS_DIALECT = {"azure_openai", "vertex"}

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x7f"), max_size=12)
said = texts.filter(lambda text: bool(text.strip()))
images = st.sampled_from(IMAGES)
names = st.from_regex(
    r"[a-z][a-z0-9_]{0,11}", fullmatch=True
)  # legal everywhere; others are in `test_tools_everywhere`
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
objects = st.dictionaries(texts, scalars | st.lists(scalars, max_size=2), max_size=3)
call_ids = st.text(string.printable, max_size=70)


def part(text: str) -> dict:
    return {"type": "text", "text": text}


def picture(data: str) -> dict:
    return {"type": "image_url", "image_url": {"url": PNG + data}}


text_contents = texts | st.lists(texts.map(part), max_size=3)
instructions = st.builds(
    lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "developer"]), text_contents
)
seen = st.lists(texts.map(part) | images.map(picture), min_size=1, max_size=4)
users = st.builds(lambda content: {"role": "user", "content": content}, said | seen)
reasoning = st.sampled_from([{}, {"reasoning_content": "secretthought"}, {"reasoning": "secretthought"}])
answers = st.builds(
    lambda content, thoughts: {"role": "assistant", "content": content, **thoughts},
    text_contents | st.just(None) | st.lists(st.builds(lambda t: {"type": "refusal", "refusal": t}, said), max_size=1),
    reasoning,
)


@st.composite
def tool_loops(draw: st.DrawFn) -> list[dict]:
    """An answer with calls, and their results in any order."""
    ids = draw(st.lists(call_ids, min_size=1, max_size=4, unique=True))
    calls = [
        {
            "id": one,
            "type": "function",
            "function": {"name": draw(names), "arguments": draw(objects.map(json.dumps) | st.just(""))},
        }
        for one in ids
    ]
    content = draw(text_contents | st.just(None))
    results = [
        {"role": "tool", "tool_call_id": one, "content": draw(text_contents)} for one in draw(st.permutations(ids))
    ]
    return [{"role": "assistant", "content": content, "tool_calls": calls, **draw(reasoning)}, *results]


turns = st.lists(
    users.map(lambda one: [one]) | answers.map(lambda one: [one]) | instructions.map(lambda one: [one]) | tool_loops(),
    max_size=6,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict]:
    """Begins and ends with the user, has instructions anywhere but within a tool loop."""
    first = {"role": "user", "content": draw(said)}
    last = {"role": "user", "content": draw(said)}
    return [*draw(st.lists(instructions, max_size=2)), first, *(one for turn in draw(turns) for one in turn), last]


def without_images(messages: list[dict]) -> list[dict]:
    return [
        {**message, "content": [one for one in message["content"] if one["type"] != "image_url"] or "."}
        if message["role"] == "user" and isinstance(message["content"], list)
        else message
        for message in messages
    ]


def images_first(atoms: list[Atom]) -> list[Atom]:
    """Within one run of what the user says, images before texts: Ollama's messages have no order between the two."""
    found: list[Atom] = []
    run: list[Atom] = []
    for atom in [*atoms, ("end",)]:
        if atom[0] == "user":
            run.append(atom)
            continue
        texts_of_run = "".join(one[2] for one in run if one[1] == "text")
        found += [one for one in run if one[1] == "image"]
        found += [("user", "text", texts_of_run)] if texts_of_run else []
        run = []
        found.append(atom)
    return found[:-1]


def in_order_of_calls(atoms: list[Atom]) -> list[Atom]:
    """Results of parallel calls in the order of the calls: whose is whose is said by ids, not by the order."""
    found: list[Atom] = []
    run: list[Atom] = []
    for atom in [*atoms, ("end",)]:
        if atom[0] == "tool":
            run.append(atom)
            continue
        found += sorted(run, key=lambda one: int(one[1].split()[1]))
        run = []
        found.append(atom)
    return found[:-1]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(messages=conversations())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_body_says_what_the_conversation_says(dialect: str, messages: list[dict]) -> None:
    if dialect in MODELS_WITHOUT_SIGHT:
        messages = without_images(messages)
    instructions_given, atoms = of_openai({"messages": messages}).comparable()
    body = (await sent(dialect, {"messages": messages})).body
    instructions_sent, atoms_sent = READERS[dialect](body).comparable()
    if dialect == "ollama":
        atoms, atoms_sent = images_first(atoms), images_first(atoms_sent)
    assert instructions_sent.startswith(instructions_given)
    assert in_order_of_calls(atoms_sent) == in_order_of_calls(atoms)


BLANK_CONTENTS = ["", " \n ", [], [part(" ")], [part(""), part("\t")]]


def roles_of(body: dict) -> list[str]:
    return [
        "assistant" if turn["role"] == "model" else turn["role"] for turn in body.get("messages") or body["contents"]
    ]


@pytest.mark.parametrize("content", BLANK_CONTENTS, ids=repr)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_blank_turn_of_the_user_still_stands_after_the_answer(dialect: str, content: object) -> None:
    """Without it the body would end with the answer, which is to be gone on with, or two answers would be one."""
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "So"},
        {"role": "user", "content": content},
    ]
    body = (await sent(dialect, {"messages": turns})).body
    assert roles_of(body) == ["user", "assistant", "user"]
    body = (await sent(dialect, {"messages": [*turns, turns[1]]})).body
    assert roles_of(body) == ["user", "assistant", "user", "assistant"]


def test_dialect_of_every_adapter_is_looked_at() -> None:
    speaking = {adapter for adapter, *_ in DIALECTS.values()}
    assert speaking | SPEAK_ANOTHERS_DIALECT == registry.adapter_types() - {"echo"}
