"""Finish reasons that nobody knows are counted, within bounds, and known ones are not."""

from collections import Counter

import pytest

from adapters import counts
from adapters.anthropic import blocks
from adapters.google import finish as google
from adapters.openai import finish as openai


@pytest.fixture(autouse=True)
def no_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_unmapped", Counter())


def test_unmapped_reasons_of_each_adapter_are_counted() -> None:
    for _ in range(2):
        assert openai.to_finish_reason("brand_new", called_tools=False) == "stop"
    assert google.to_finish_reason("BRAND_NEW", called_tools=True) == "tool_calls"
    assert blocks.to_finish_reason("brand_new", calls=False) == "stop"
    assert counts.unmapped() == {
        ("openai", "brand_new"): 2,
        ("google", "BRAND_NEW"): 1,
        ("anthropic", "brand_new"): 1,
    }


def test_unmapped_knows_every_word_of_the_providers_and_none() -> None:
    for word in ("stop", "tool_calls", "LENGTH", "function_call", "sensitive", "eos", "", None):
        openai.to_finish_reason(word, called_tools=True)
    for word in ("STOP", "MAX_TOKENS", "SAFETY", None):
        google.to_finish_reason(word, called_tools=False)
    for word in ("end_turn", "tool_use", "refusal", None):
        blocks.to_finish_reason(word, calls=True)
    assert counts.unmapped() == {}


def test_unmapped_values_are_bounded_in_number_and_form() -> None:
    for word in ("a b", "x" * 41, "<script>", "ä", 'a"b'):
        counts.note_unmapped("openai", word)
    assert counts.unmapped() == {("openai", counts.OTHER): 5}
    for number in range(1000):
        counts.note_unmapped("openai", f"word_{number}")
    found = counts.unmapped()
    assert len(found) == counts.MAX_VALUES
    assert sum(found.values()) == 1005
