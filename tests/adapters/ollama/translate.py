"""Shortcuts of these tests: a deployment, a request in JSON, and the body that is sent for it."""

import json

import msgspec

from adapters.base import Call, Deployment
from adapters.ollama.adapter import to_body
from schemas.chat_request import ChatRequest

ASKED = [{"role": "user", "content": "What is the weather in Ulm?"}]


def call_of(extra: dict | None = None, **fields) -> Call:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "ollama", "upstream_model": "qwen3:4b"}
    raw = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in (extra or {}).items()}
    return Call(deployment=Deployment(**{**base, **fields}), request_id="r-1", deadline=1e9, extra_params=raw)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


def sent_and_dropped(call: Call | None = None, **fields) -> tuple[dict, tuple[str, ...]]:
    body, dropped = to_body(request(**fields), call or call_of(), stream=False)
    return json.loads(body), dropped


def sent(call: Call | None = None, **fields) -> dict:
    return sent_and_dropped(call, **fields)[0]
