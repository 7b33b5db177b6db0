import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.auth.policy import Policy, Rules, ScopePolicy, is_pattern, rules

OPENAI = ScopePolicy(allow=rules(["openai/*"]))
NO_O1 = ScopePolicy(deny=rules(["openai/o1"]))


@pytest.mark.parametrize(
    ("levels", "name", "permitted"),
    [
        ((), "anything", True),
        (((OPENAI,),), "openai/gpt", True),
        (((OPENAI,),), "openai", False),
        (((OPENAI,),), "google/gemini", False),
        (((ScopePolicy(allow=Rules()),),), "openai/gpt", False),
        (((NO_O1,),), "google/gemini", True),
        (((OPENAI,), (NO_O1,)), "openai/o1", False),
        (((NO_O1,), (OPENAI,)), "openai/o1", False),
        (((OPENAI,), (ScopePolicy(allow=rules(["*"])),)), "google/gemini", False),
        (((OPENAI, ScopePolicy(allow=rules(["google/gemini"]))),), "google/gemini", True),
        (((NO_O1, OPENAI),), "openai/o1", True),
        (((ScopePolicy(allow=rules(["a"]), deny=rules(["a"])),),), "a", False),
    ],
)
def test_policy_of_levels_permits_what_every_level_permits(levels, name, permitted):
    assert Policy(levels).permits(name) is permitted


NAMES = st.sampled_from(["a", "a/b", "a/b/c", "b", "ab"])
PATTERNS = st.frozensets(st.sampled_from(["a", "a/*", "b", "*", "a/b*"]), max_size=3)
SCOPES = st.builds(
    lambda allow, deny: ScopePolicy(allow=None if allow is None else rules(allow), deny=rules(deny)),
    st.none() | PATTERNS,
    PATTERNS,
)


@given(st.lists(SCOPES, max_size=3), SCOPES, NAMES)
def test_policy_with_one_more_level_never_permits_more(scopes, narrower, name):
    wider = Policy(tuple((scope,) for scope in scopes))
    narrowed = Policy((*wider.levels, (narrower,)))
    assert not narrowed.permits(name) or wider.permits(name)


@pytest.mark.parametrize("pattern", ["a", "a*", "*", "a/b/*", "x" * 256])
def test_is_pattern_of_a_name_or_a_beginning_is_true(pattern):
    assert is_pattern(pattern)


@pytest.mark.parametrize("pattern", ["", "*a", "a*b", "**", "x" * 257])
def test_is_pattern_of_anything_else_is_false(pattern):
    assert not is_pattern(pattern)
