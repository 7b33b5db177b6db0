"""Frames of an event stream that are broken, lie or tell of a failure: an error, its reason logged, and no trace."""

import random
import struct
from collections.abc import Callable
from zlib import crc32

import msgspec
import pytest
from gateway_fixtures import Mocks
from running_gateway import RunningGateway
from test_gateway_garbage import TOOLS, failed_attempts, kept_stream, last_event, post, traces
from upstreams.aws_frames import frame

from aqueduct.observability.request_log import RequestLine


def resealed(head: bytes, rest: bytes) -> bytes:
    """A frame whose prelude says what it likes, with the checksum of that prelude right."""
    return head + struct.pack(">I", crc32(head)) + rest


def with_frame_kind(name: str, kind: str) -> bytes:
    return frame(name, {"message": "It broke. arn:aws:bedrock:secret"}, kind)


BROKEN_FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "wrong checksum of the prelude": lambda one: one[:8] + bytes([one[8] ^ 1]) + one[9:],
    "wrong checksum of the frame": lambda one: one[:-1] + bytes([one[-1] ^ 1]),
    "payload that was changed": lambda one: one[:-8] + bytes([one[-8] ^ 0x20]) + one[-7:],
    "length of nothing": lambda one: resealed(struct.pack(">II", 0, 0), one[12:]),
    "length below its headers": lambda one: resealed(struct.pack(">II", 20, 200), one[12:]),
    "length of four gigabytes": lambda one: resealed(struct.pack(">II", 2**32 - 1, 0), one[12:]),
    "length beyond the end": lambda one: resealed(struct.pack(">II", 1_000_000, 0), one[12:]),
    "headers of four gigabytes": lambda one: resealed(struct.pack(">II", len(one), 2**32 - 1), one[12:]),
    "random bytes": lambda one: random.Random(len(one)).randbytes(len(one)),
    "an event stream of the web": lambda _: b'data: {"contentBlockDelta": {}}\n\n',
    "throttling": lambda _: with_frame_kind("throttlingException", "exception"),
    "a failed model": lambda _: with_frame_kind("modelStreamErrorException", "exception"),
    "an exception without a name": lambda _: with_frame_kind("", "exception"),
    "an unmodelled error": lambda _: with_frame_kind("InternalError", "error"),
    "a payload that is no JSON": lambda one: frame_of_bytes(one, b"\xff\x00{"),
    "a payload of nothing": lambda one: frame_of_bytes(one, b""),
}
LIMITED = {"throttling": (429, "upstream_rate_limited")}


def frame_of_bytes(one: bytes, payload: bytes) -> bytes:
    """The frame with another payload, well formed."""
    headers = one[12 : 12 + struct.unpack_from(">I", one, 4)[0]]
    head = resealed(struct.pack(">II", 16 + len(headers) + len(payload), len(headers)), headers + payload)
    return head + struct.pack(">I", crc32(head))


@pytest.mark.parametrize("position", ["first", "later"])
@pytest.mark.parametrize("broken", BROKEN_FRAMES)
def test_broken_frame_is_an_error_with_its_reason_in_the_log(
    gateway: RunningGateway,
    mocks: Mocks,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    position: str,
) -> None:
    reply = kept_stream(gateway, mocks.bedrock, "bedrock")
    gateway.forget_rows()
    lines: list[RequestLine] = []
    monkeypatch.setattr(gateway.parts.request_log, "put", lines.append)
    before = failed_attempts(gateway)
    deltas = [number for number, one in enumerate(reply.parts) if b"contentBlockDelta" in one]
    at = deltas[0] if position == "first" else deltas[-1]
    parts = (*reply.parts[:at], BROKEN_FRAMES[broken](reply.parts[at]), *reply.parts[at + 1 :])
    mocks.bedrock.always(msgspec.structs.replace(reply, parts=parts))

    answer = post(gateway, "bedrock", "Call it. [tools=1]", tools=TOOLS, stream=True)

    status, code = LIMITED.get(broken, (502, "upstream_error"))
    error = answer.error() if answer.status != 200 else last_event(answer)["error"]
    assert answer.status in {200, status}
    assert isinstance(error, dict)
    assert error["code"] == code
    row = gateway.rows(1)[0]
    (line,) = [one for one in lines if one.request_id == str(row["id"])]
    assert line.error_type == row["error_kind"]
    assert line.reason
    assert failed_attempts(gateway) > before
    assert traces(caplog) == []
