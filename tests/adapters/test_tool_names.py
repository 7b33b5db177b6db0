"""Names and ids that are made legal: legal whatever the client calls its tools and calls, and no two alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import free_text, tool_ids
from adapters.anthropic import names as anthropic
from adapters.bedrock import forms as bedrock
from adapters.cohere import tools as cohere
from adapters.google import tools as google
from adapters.tool_ids import UniqueIds
from adapters.tool_names import NameForm, ToolNames

FORMS = {"anthropic": anthropic.NAMES, "bedrock": bedrock.NAMES, "cohere": cohere.NAMES, "google": google.NAMES}
ANY_NAMES = st.lists(st.text(max_size=200), unique=True, max_size=8)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(names=ANY_NAMES)
def test_every_name_gets_a_legal_one_of_its_own_and_comes_back(form: NameForm, names: list[str]) -> None:
    made = ToolNames(form, ("taken",))
    natives = [made.native(name) for name in ["taken", *names]]
    assert all(map(form.is_legal, natives))
    assert "taken" not in natives
    assert len(set(natives)) == len({"taken", *names})
    assert [made.original(native) for native in natives] == ["taken", *names]


@pytest.mark.parametrize(
    ("dialect", "legal", "illegal"),
    [
        ("anthropic", ("a", "1", "_", "-x", "a" * 128), ("", "a" * 129, "a.b", "ä")),
        ("bedrock", ("a", "1", "-x", "a" * 64), ("", "a" * 65, "a.b")),
        ("cohere", ("a", "_1", "a" * 64), ("", "1a", "a-b", "a" * 65, "a\n")),
        ("google", ("a", "_", "a.b:c-d", "a" * 64), ("", "1a", ".a", "a" * 65, "a b")),
    ],
)
def test_name_that_the_api_takes_is_left_alone(dialect: str, legal: tuple[str, ...], illegal: tuple[str, ...]) -> None:
    form = FORMS[dialect]
    assert [ToolNames(form).native(name) for name in legal] == list(legal)
    assert [name for name in illegal if form.is_legal(name)] == []


@given(calls=st.lists(st.text(max_size=80) | st.none() | st.sampled_from(["call_1", "call_2"]), max_size=8))
def test_ids_are_legal_unique_and_the_same_each_time(calls: list[str | None]) -> None:
    first, second = UniqueIds(), UniqueIds()
    made = [first.take(call, "seed") for call in calls]
    assert made == [second.take(call, "seed") for call in calls]
    assert all(map(tool_ids.is_legal, made))
    assert len(set(made)) == len(made)


def test_id_that_is_legal_and_new_is_kept_and_another_answer_mints_others() -> None:
    ids = UniqueIds()
    assert ids.take("toolu_1") == "toolu_1"
    assert ids.take("toolu_1", "a") != UniqueIds().take("", "a") != UniqueIds().take("", "b")


@given(text=st.text(max_size=50))
def test_free_text_comes_back_from_the_arguments(text: str) -> None:
    assert free_text.text_of(free_text.to_arguments(text).decode()) == text


@pytest.mark.parametrize("arguments", ["{}", '{"query": "x"}', "no json", '{"input": 1}'])
def test_arguments_that_hold_no_text_are_the_text(arguments: str) -> None:
    assert free_text.text_of(arguments) == arguments
