"""The hub's chat request to the body that an OpenAI-format server takes; knows no HTTP."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from adapters.base import Call
from schemas.chat_request import ChatRequest, StreamOptions

_ENCODER: Final = msgspec.json.Encoder()


def to_chat_body(request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped."""
    wire = replace(
        request,
        model=call.deployment.upstream_model,
        stream=True if stream else None,
        stream_options=StreamOptions(include_usage=True) if stream else None,
    )
    return encode_body(wire, call.extra_params), ()


def encode_body(wire: msgspec.Struct, extra: Mapping[str, Raw]) -> bytes:
    """Return the JSON of `wire` with the members of `extra` after its own, byte for byte."""
    body = _ENCODER.encode(wire)
    if not extra:
        return body
    members = b",".join(_ENCODER.encode(name) + b":" + bytes(value) for name, value in extra.items())
    return b"%b,%b}" % (body[:-1], members)
