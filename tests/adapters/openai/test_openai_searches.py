"""A stream that shows where its text comes from has searched: one that breaks off is booked with a search."""

import pytest

from adapters.sse import Event
from schemas.usage import Usage
from tests.adapters.openai.stream_items import USAGE, item, new_translator, piece

NOTE = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1},
}
CITED = piece({"content": "a", "annotations": [NOTE]})
LISTED = piece({"content": "a"}, citations=["https://a.example"])


def queries(*data: bytes) -> int | None:
    translator = new_translator()
    for one in (piece({"content": "Hi"}), *data):
        translator.feed(Event(b"", one))
    return (translator.usage or Usage()).queries


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((CITED,), 1),
        ((LISTED,), 1),
        ((CITED, LISTED, CITED), 1),
        ((piece({"content": "a"}),), None),
        ((piece({"content": "a", "annotations": []}),), None),
        ((piece({"content": "a", "annotations": [{"type": "file", "file": {"hash": "1"}}]}),), None),
        ((piece({"content": "a"}, citations=[]),), None),
        ((piece({"content": "a"}, citations=None),), None),
        ((CITED, item(choices=[], usage={**USAGE, "num_search_queries": 3})), 3),
        ((item(choices=[], usage={**USAGE, "num_search_queries": 0}), CITED), 0),
        ((CITED, item(choices=[], usage=USAGE)), 1),
    ],
)
def test_stream_that_breaks_off_has_the_search_that_it_showed(items: tuple[bytes, ...], expected: int | None) -> None:
    assert queries(*items) == expected


@pytest.mark.parametrize("reported", [None, 0, 1, 4])
def test_stream_that_ends_has_the_searches_that_were_reported(reported: int | None) -> None:
    """Servers that report none charge by the request."""
    told = {} if reported is None else {"num_search_queries": reported}
    last = item(choices=[], usage={**USAGE, **told})
    assert queries(CITED, piece({}, "stop"), last, b"[DONE]") == reported
    assert queries(CITED, piece({}, "stop"), b"[DONE]") is None
