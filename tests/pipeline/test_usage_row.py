"""A row that PostgreSQL takes, whatever clients and providers sent."""

import pytest
from msgspec import Raw
from msgspec.structs import replace

from aqueduct.db.names import ATTEMPT_COLUMNS, COUNTERS
from aqueduct.errors import ErrorType
from aqueduct.ids import RequestIds
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.usage_row import MAX_RAW_BYTES, MAX_TEXT_CHARS, to_attempt_rows, to_row
from aqueduct.usage.recorder import COLUMNS, Cell
from schemas.usage import Usage

TEXTS = (
    "requested_model",
    "upstream_model",
    "upstream_id",
    "upstream_request_id",
    "client_request_id",
    "client_user",
    "native_finish_reason",
    "finish_reason",
    "model",
)


def cells(context: RequestContext) -> dict[str, Cell]:
    return dict(zip(COLUMNS, to_row(context, 1.2345), strict=True))


def context() -> RequestContext:
    return RequestContext(RequestIds()(), "/v1/chat/completions", "chat")


@pytest.mark.parametrize("name", TEXTS)
def test_row_texts_are_bounded_and_storable(name: str) -> None:
    unit = context()
    setattr(unit, name, "\0\ud800" + "é" * 1000)

    text = cells(unit)[name]

    assert isinstance(text, str)
    assert len(text) <= MAX_TEXT_CHARS
    assert "\0" not in text
    assert text.encode()


def test_row_dropped_params_are_bounded_and_storable() -> None:
    unit = context()
    unit.dropped_params = ("a\0b", "\ud800", "x" * 1000)

    assert cells(unit)["dropped_params"] == ["ab", "?", "x" * MAX_TEXT_CHARS]


def test_row_counter_out_of_range_is_left_out_and_named() -> None:
    unit = context()
    unit.usage = Usage(prompt_tokens=2**31, completion_tokens=2**31 - 1)

    row = cells(unit)

    assert (row["prompt_tokens"], row["completion_tokens"]) == (None, 2**31 - 1)
    assert row["violations"] == ["prompt_tokens out of range"]


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (b'{"a": 1}', '{"a": 1}'),
        (b'{"a": "\\u00e9"}', '{"a":"é"}'),
        (b'{"a": "\\u0000"}', None),
        (b'{"a": "\\ud800"}', None),
        (b'{"a": "\xff"}', None),
        (b'{"a": "' + b"x" * MAX_RAW_BYTES + b'"}', None),
    ],
)
def test_row_raw_usage_is_kept_where_jsonb_takes_it(raw: bytes, stored: str | None) -> None:
    unit = context()
    unit.usage = Usage(prompt_tokens=1, completion_tokens=1, raw=Raw(raw))

    row = cells(unit)

    assert row["raw_usage"] == stored
    assert row["violations"] == ([] if stored else ["raw usage left out"])


def test_row_unreported_counters_stay_unreported() -> None:
    unit = context()
    unit.usage = Usage(prompt_tokens=3, completion_tokens=0)

    row = cells(unit)

    assert (row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"]) == (3, 0, None)
    assert (row["usage_source"], row["duration_ms"]) == ("provider", 1234)


def test_row_of_an_only_attempt_is_the_same_taken_from_the_request_and_made_for_itself() -> None:
    unit = context()
    unit.attempts, unit.attempt_begun = 1, unit.started + 0.25
    unit.deployment_id, unit.provider, unit.upstream_model = RequestIds()(), "openai", "gpt\0"
    unit.upstream_id, unit.upstream_request_id, unit.native_finish_reason = "é" * 1000, "req", "stop"
    unit.service_tier, unit.error_kind = "flex", ErrorType.CALLER_DISCONNECTED
    unit.usage = unit.answered = Usage(prompt_tokens=2**31, completion_tokens=3, cached_tokens=1, seconds=4)
    row = to_row(unit, 1.2345)

    taken = to_attempt_rows(unit, 1.2345, row)
    unit.answered = replace(unit.usage)
    made = to_attempt_rows(unit, 1.2345, row)

    assert unit.answered is not unit.usage
    assert taken == made
    assert len(taken[0]) == len(ATTEMPT_COLUMNS)
    assert taken[0][ATTEMPT_COLUMNS.index("seconds")] == 4


def test_counters_of_rows_stand_first_among_those_of_a_usage_and_in_their_order() -> None:
    """Rows take them by place."""
    assert Usage.__struct_fields__[: len(COUNTERS)] == COUNTERS
