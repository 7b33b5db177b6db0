"""Shortcuts of these tests: a request in JSON to the body that is sent, an answer in bytes to what clients get."""

import json

import msgspec

from adapters.base import Deployment, Losses, Result, Secret
from adapters.google.request import to_generate_content
from adapters.google.response import Expected, to_chat_completion
from adapters.google.tools import NAMES
from adapters.tool_names import ToolNames
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion

ASKED = [{"role": "user", "content": "What is the weather in Ulm?"}]
EXPECTED = Expected(model="public", request_id="r-1", created=1_700_000_000, names=ToolNames(NAMES))


def deployment(upstream_model: str = "gemini-3.5-flash", **fields) -> Deployment:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "google", "upstream_model": upstream_model}
    return Deployment(**{**base, "credential": Secret("canary-0123456789"), **fields})


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


def sent(upstream_model: str = "gemini-3.5-flash", *, options: dict | None = None, **fields) -> dict:
    """The body for a request, decoded."""
    return sent_and_dropped(upstream_model, options=options, **fields)[0]


def sent_and_dropped(
    upstream_model: str = "gemini-3.5-flash", *, options: dict | None = None, **fields
) -> tuple[dict, tuple[str, ...]]:
    losses = Losses("drop")
    translated = to_generate_content(request(**fields), deployment(upstream_model, options=options or {}), losses)
    return json.loads(msgspec.json.encode(translated.body)), losses.dropped


def answered(body: bytes) -> Result[ChatCompletion]:
    return to_chat_completion(body, EXPECTED)
