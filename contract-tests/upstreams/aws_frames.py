"""Frames of AWS's event stream, written and cut by their documentation alone; it must not know any dialect.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

import json
import struct
from binascii import crc32
from typing import NamedTuple

from upstreams.recordings import JsonObject

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7


class Frame(NamedTuple):
    """One message: `kind` is event or exception, `name` its type."""

    kind: str
    name: str
    payload: bytes


def frame(name: str, payload: object, kind: str = "event") -> bytes:
    """One message on the wire, with both of its checksums."""
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = b"".join(
        bytes([len(key)]) + key.encode() + bytes([_TEXT]) + struct.pack(">H", len(value)) + value.encode()
        for key, value in (
            (f":{kind}-type", name),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    head = prelude + struct.pack(">I", crc32(prelude)) + headers + data
    return head + struct.pack(">I", crc32(head))


def split_frames(body: bytes) -> tuple[bytes, ...]:
    """Cut a body after each message by its lengths; what is left of a cut one is the last part."""
    parts: list[bytes] = []
    while len(body) >= 12:
        total = struct.unpack_from(">I", body)[0]
        parts.append(body[:total])
        body = body[total:]
    return (*parts, body) if body else tuple(parts)


def read_frames(body: bytes) -> list[Frame]:
    """What the messages of a body say.

    Raises:
        ValueError: a message is cut or its checksum is wrong.
    """
    found: list[Frame] = []
    for part in split_frames(body):
        if len(part) < 16 or struct.unpack_from(">I", part)[0] != len(part):
            raise ValueError("the last message is cut")
        if crc32(part[:-4]) != struct.unpack(">I", part[-4:])[0]:
            raise ValueError("the checksum of a message is wrong")
        size = struct.unpack_from(">I", part, 4)[0]
        headers = read_headers(part[12 : 12 + size])
        kind = headers.get(":message-type", "event")
        found.append(Frame(kind, headers.get(f":{kind}-type", ""), part[12 + size : -4]))
    return found


def read_headers(data: bytes) -> dict[str, str]:
    """Headers of a message, which are all texts."""
    headers: dict[str, str] = {}
    while data:
        name, rest = data[1 : 1 + data[0]], data[1 + data[0] :]
        if rest[0] != _TEXT:
            raise ValueError(f"the header {name!r} is no text")
        length = struct.unpack_from(">H", rest, 1)[0]
        headers[name.decode()] = rest[3 : 3 + length].decode()
        data = rest[3 + length :]
    return headers


def documents(body: bytes) -> list[JsonObject]:
    """The payload of each message under the message's name; an exception stands under `error`."""
    return [{"error" if one.kind == "exception" else one.name: json.loads(one.payload)} for one in read_frames(body)]
