"""Requests in the hub's form, and what the translator makes of them."""

import msgspec
from msgspec import Raw
from openai.types.chat import completion_create_params
from pydantic import TypeAdapter

from adapters.base import Call, Deployment, ExtraParams, Secret
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.request import to_chat_body
from schemas.chat_request import ChatRequest

SDK_REQUEST = TypeAdapter(completion_create_params.CompletionCreateParams)
HELLO = [{"role": "user", "content": "Hi"}]


def call_of(policy: ExtraParams = "drop", **extra: bytes) -> Call:
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter="openai",
        upstream_model="up",
        credential=Secret("canary"),
        extra_params=policy,
    )
    return Call(deployment=deployment, request_id="r", deadline=1e9, extra_params={k: Raw(v) for k, v in extra.items()})


def translate(
    body: dict, quirks: Quirks = OPENAI, call: Call | None = None, *, stream: bool = False
) -> tuple[dict, tuple[str, ...]]:
    sent = msgspec.json.encode({"model": "public", "messages": HELLO, **body})
    request = msgspec.json.decode(sent, type=ChatRequest)
    raw, dropped = to_chat_body(request, call or call_of(), quirks, stream=stream)
    return msgspec.json.decode(raw), dropped


def messages(*items: dict, quirks: Quirks = OPENAI) -> list[dict]:
    return translate({"messages": list(items)}, quirks)[0]["messages"]
