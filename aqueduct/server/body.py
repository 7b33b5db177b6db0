"""Reads a request's body within bounds on size and time; knows nothing of its content."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from litestar.types import Receive

from aqueduct.errors import ErrorType, GatewayError
from aqueduct.server.body_budget import BodyLease
from aqueduct.server.hot_protocol import take_whole

_JSON: Final = b"application/json"
MAX_LENGTH_DIGITS: Final = 20


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def arrived_json_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, lease: BodyLease, *, max_bytes: int
) -> bytes | None:
    """Return the body where all of it is there already, None where it has to be read.

    Raises `GatewayError` 413 or 415, also for a body that has to be read.
    """
    length, media_type = _declared(headers)
    if media_type is not None and media_type != _JSON and not _is_json(media_type):
        raise _unsupported("Send the request as JSON, with 'content-type: application/json'.")
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    whole = take_whole(receive)
    if whole is not None:
        if len(whole) > max_bytes:
            raise _too_large(max_bytes)
        lease.take(len(whole))
    return whole


async def read_json_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, lease: BodyLease, *, max_bytes: int, timeout_s: float
) -> tuple[list[bytes], int, float]:
    """Return the body in the pieces in which it came, its size in bytes, and the seconds for which it was waited for.

    Raises `GatewayError` 413, 415 or 408, or `ClientGoneError`.
    """
    whole = arrived_json_body(headers, receive, lease, max_bytes=max_bytes)
    if whole is not None:
        return [whole], len(whole), 0.0
    return await read_body(receive, lease, max_bytes=max_bytes, timeout_s=timeout_s)


async def read_body(
    receive: Receive, lease: BodyLease, *, max_bytes: int, timeout_s: float
) -> tuple[list[bytes], int, float]:
    """As `read_json_body`, where it is known already that a body may come, and that it has not."""
    pieces: list[bytes] = []
    size = 0
    more = True
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGoneError
                piece = message.get("body", b"")
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                lease.take(len(piece))
                pieces.append(piece)
                more = message.get("more_body", False)
    except TimeoutError:
        raise GatewayError(
            408,
            "request_timeout",
            f"The request body did not arrive within {timeout_s:g} seconds.",
            kind=ErrorType.CALLER_INVALID_REQUEST,
        ) from None
    return pieces, size, time.perf_counter() - begun


def _declared(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int | None, bytes | None]:
    """Return the declared length and media type, None where absent or unusable."""
    length: int | None = None
    media_type: bytes | None = None
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and len(value) < MAX_LENGTH_DIGITS:
            length = int(value)
        elif name == b"content-type":
            media_type = value
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise _unsupported("Compressed request bodies are not supported; send the JSON as it is.")
    return length, media_type


def _is_json(media_type: bytes) -> bool:
    essence = media_type.partition(b";")[0].strip().lower()
    return essence == _JSON or essence.endswith(b"+json")


def _unsupported(message: str) -> GatewayError:
    return GatewayError(415, "unsupported_media_type", message, kind=ErrorType.CALLER_INVALID_REQUEST)


def _too_large(max_bytes: int) -> GatewayError:
    message = f"The request body is larger than the {max_bytes} bytes that this gateway accepts."
    return GatewayError(413, "request_too_large", message, kind=ErrorType.CALLER_INVALID_REQUEST)
