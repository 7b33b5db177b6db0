"""What is booked for an answer: never nothing for something, and never a vector that contradicts itself."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.pipeline.meter import settled_usage
from schemas.usage import Usage

REPORTED = Usage(prompt_tokens=10, completion_tokens=4, cached_tokens=3)
count = st.none() | st.integers(0, 1000)


def test_settled_usage_finished_answer_is_booked_as_reported() -> None:
    assert settled_usage(REPORTED, finished=True, prompt_chars=9999, output_chars=9999) is REPORTED


def test_settled_usage_unreported_answer_is_estimated_and_rounded_up() -> None:
    usage = settled_usage(None, finished=False, prompt_chars=33, output_chars=1)

    assert usage == Usage(prompt_tokens=11, completion_tokens=1, source="estimated")


def test_settled_usage_broken_answer_keeps_reported_counters_and_at_least_the_delivered_output() -> None:
    usage = settled_usage(REPORTED, finished=False, prompt_chars=9999, output_chars=320)

    assert usage == Usage(prompt_tokens=10, completion_tokens=100, cached_tokens=3, source="provider_partial")


def test_settled_usage_broken_answer_keeps_a_higher_reported_output() -> None:
    assert settled_usage(REPORTED, finished=False, prompt_chars=1, output_chars=1).completion_tokens == 4


def test_settled_usage_finished_answer_without_any_counter_is_estimated() -> None:
    usage = settled_usage(Usage(), finished=True, prompt_chars=32, output_chars=32)

    assert usage == Usage(prompt_tokens=10, completion_tokens=10, source="estimated")


def test_settled_usage_finished_answer_without_output_counter_gets_it_estimated() -> None:
    usage = settled_usage(Usage(prompt_tokens=7), finished=True, prompt_chars=1, output_chars=32)

    assert usage == Usage(prompt_tokens=7, completion_tokens=10, source="provider_partial")


def test_settled_usage_answer_without_output_leaves_its_counter_unreported() -> None:
    reported = Usage(prompt_tokens=7)

    assert settled_usage(reported, finished=True, prompt_chars=5, output_chars=0) is reported


@st.composite
def consistent(draw: st.DrawFn) -> Usage:
    """A report whose parts fit its totals, with anything left out."""
    cached, written, reasoning, audio = (draw(st.integers(0, 500)) for _ in range(4))
    usage = Usage(
        prompt_tokens=cached + written + draw(st.integers(0, 500)),
        completion_tokens=max(reasoning, audio) + draw(st.integers(0, 500)),
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        reasoning_tokens=reasoning,
        completion_audio_tokens=audio,
    )
    if draw(st.booleans()):
        usage = msgspec.structs.replace(usage, prompt_tokens=None)
    if draw(st.booleans()):
        usage = msgspec.structs.replace(usage, completion_tokens=None)
    return usage


@given(st.none() | consistent(), st.booleans(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_settled_usage_loses_nothing_and_contradicts_itself_nowhere(
    reported: Usage | None, finished: bool, prompt_chars: int, output_chars: int
) -> None:
    usage = settled_usage(reported, finished=finished, prompt_chars=prompt_chars, output_chars=output_chars)

    if prompt_chars:
        assert usage.prompt_tokens
    if output_chars:
        assert usage.completion_tokens is not None
        assert (reported is not None and reported.completion_tokens == 0 and finished) or usage.completion_tokens > 0
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens"):
        before: int | None = None if reported is None else getattr(reported, name)
        if before is not None:
            assert getattr(usage, name) >= before
    if usage.prompt_tokens is not None and usage.completion_tokens is not None:
        assert usage.violations() == ()
    if usage.source == "provider":
        assert usage is reported


def test_settled_usage_of_what_is_charged_by_units_keeps_them_and_estimates_the_tokens() -> None:
    found = settled_usage(Usage(queries=2), finished=True, prompt_chars=32, output_chars=0)
    assert (found.queries, found.prompt_tokens, found.source) == (2, 10, "provider_partial")
    assert Usage(queries=-1, prompt_tokens=1).violations() == ("queries < 0",)
