"""Bodies are read within their bounds, exactly."""

import asyncio

import pytest

from aqueduct.errors import GatewayError
from aqueduct.server.body import ClientGoneError, read_json_body
from aqueduct.server.body_budget import BodyBudget, BodyLease

Message = dict[str, object]


async def read(messages: list[Message], *, headers: list[tuple[bytes, bytes]] | None = None, most: int = 10) -> bytes:
    waiting = iter(messages)

    async def receive() -> Message:
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(10)
            raise AssertionError
        return message

    lease = BodyLease(BodyBudget())
    pieces, size, _ = await read_json_body(headers or [], receive, lease, max_bytes=most, timeout_s=0.1)  # type: ignore[arg-type]  # only what is read
    assert sum(map(len, pieces)) == size
    return b"".join(pieces)


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_body_at_the_bound_is_taken_and_one_byte_more_refused() -> None:
    assert await read([piece(b"12345", more=True), piece(b"67890", more=False)]) == b"1234567890"
    with pytest.raises(GatewayError) as caught:
        await read([piece(b"12345", more=True), piece(b"678901", more=False)])
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


@pytest.mark.parametrize(("declared", "refused"), [(b"10", False), (b"11", True)])
async def test_body_declared_length_is_held_to_the_bound(declared: bytes, refused: bool) -> None:
    headers = [(b"content-length", declared)]
    if not refused:
        assert await read([piece(b"{}", more=False)], headers=headers) == b"{}"
        return
    with pytest.raises(GatewayError) as caught:
        await read([], headers=headers)
    assert caught.value.status == 413


@pytest.mark.parametrize("declared", [b"9" * 5000, b"-1", b"x"])
async def test_body_unusable_declared_length_is_ignored(declared: bytes) -> None:
    assert await read([piece(b"{}", more=False)], headers=[(b"content-length", declared)]) == b"{}"


async def test_body_that_does_not_arrive_is_a_408() -> None:
    with pytest.raises(GatewayError) as caught:
        await read([piece(b"1", more=True)])
    assert (caught.value.status, caught.value.code) == (408, "request_timeout")


async def test_body_of_a_client_that_leaves_is_no_error_of_ours() -> None:
    with pytest.raises(ClientGoneError):
        await read([piece(b"1", more=True), {"type": "http.disconnect"}])


async def test_body_message_without_optional_keys_is_taken() -> None:
    assert await read([{"type": "http.request"}]) == b""


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([(b"content-type", b"application/json; charset=utf-8")], True),
        ([(b"content-type", b"Application/JSON")], True),
        ([(b"content-type", b"application/problem+json")], True),
        ([], True),
        ([(b"content-type", b"text/plain")], False),
        ([(b"content-encoding", b"gzip")], False),
        ([(b"content-encoding", b"identity")], True),
    ],
)
async def test_body_media_type_decides(headers: list[tuple[bytes, bytes]], taken: bool) -> None:
    if taken:
        assert await read([piece(b"{}", more=False)], headers=headers) == b"{}"
        return
    with pytest.raises(GatewayError) as caught:
        await read([piece(b"{}", more=False)], headers=headers)
    assert caught.value.status == 415
