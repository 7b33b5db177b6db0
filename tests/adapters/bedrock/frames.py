"""Frames of AWS's event stream, written by hand after its specification; knows no adapter.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html, checked 2026-11-24.
"""

import json
from binascii import crc32

from adapters.sse import Event
from adapters.transport import Transport
from tests.adapters.framing import Framing


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()


def frame(payload: bytes, headers: bytes) -> bytes:
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    head = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return head + crc32(head).to_bytes(4, "big")


def event(name: str, payload: object, kind: str = "event") -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    headers = header(f":{kind}-type", name) + header(":content-type", "application/json")
    return frame(data, headers + header(":message-type", kind))


def framing(inner: Transport) -> Framing:
    """Frames for the events of a conformance case; the name of an exception begins with `!`."""
    return Framing(inner, lambda request: request.url.endswith("/converse-stream"), _frame)


def _frame(one: Event) -> bytes:
    name = one.name.decode("utf-8", "replace")
    return event(name.removeprefix("!"), one.data, "exception" if name.startswith("!") else "event")
