"""No text from a client or a provider can add a header or fill one without bound."""

import pytest

from aqueduct.api.headers import MAX_VALUE_CHARS, as_headers, client_request_id, json_head, stream_head
from aqueduct.ids import RequestIds
from aqueduct.pipeline.context import RequestContext

HOSTILE = "a\r\nset-cookie: x=1\r\n\r\n<b>\0\x7fé\u2028" + "y" * 100_000


def test_hostile_names_cannot_inject_headers() -> None:
    context = RequestContext(RequestIds()(), "/v1/x", "chat")
    context.model = context.provider = context.deployment_id = HOSTILE
    context.dropped_params = (HOSTILE, HOSTILE)

    for _, value in (*as_headers(json_head(context, 1)), *as_headers(stream_head(context))):
        assert all(32 <= byte < 127 for byte in value)
        assert len(value) <= MAX_VALUE_CHARS


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"x-request-id", b"mine")], "mine"),
        ([(b"x-request-id", b"a"), (b"x-client-request-id", b"b")], "b"),
        ([(b"x-client-request-id", b"b"), (b"x-request-id", b"a")], "b"),
        ([(b"x-request-id", b"x" * 129)], None),
        ([(b"x-request-id", b"a\tb")], None),
        ([(b"x-request-id", b"\xe9")], None),
        ([], None),
    ],
)
def test_client_request_id_is_taken_where_it_is_short_and_printable(
    headers: list[tuple[bytes, bytes]], expected: str | None
) -> None:
    assert client_request_id(headers) == expected
