"""A row that PostgreSQL takes, whatever clients and providers sent."""

import pytest
from msgspec import Raw

from aqueduct.ids import RequestIds
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.usage_row import MAX_RAW_BYTES, MAX_TEXT_CHARS, to_row
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
