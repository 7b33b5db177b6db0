"""Translates a request as a client writes it; knows no answer."""

import json

import msgspec

from adapters.base import Call, Deployment, Secret
from adapters.bedrock.request import Translation, to_converse
from schemas.chat_request import ChatRequest

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTION = [{"role": "user", "content": "Hi"}]
KEY = "AKIDEXAMPLE00000:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def deployment(model: str = CLAUDE, **changes) -> Deployment:
    fields = {
        "id": "d",
        "model": "m",
        "provider": "p",
        "adapter": "bedrock",
        "upstream_model": model,
        "credential": Secret(KEY),
        "options": {"region": "us-east-1"},
    }
    return Deployment(**{**fields, **changes})


def call(model: str = CLAUDE, extra: dict | None = None, **changes) -> Call:
    unknown = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in (extra or {}).items()}
    return Call(deployment=deployment(model, **changes), request_id="r", deadline=9e9, extra_params=unknown)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": QUESTION, **fields}), type=ChatRequest)


def translation(fields: dict, at: Call | None = None) -> Translation:
    return to_converse(request(**fields), at or call())


def sent(fields: dict, at: Call | None = None) -> dict:
    """The body as the provider reads it."""
    return json.loads(translation(fields, at).encode())


def turns(messages: list[dict], at: Call | None = None, **fields) -> list[tuple[str, list[dict]]]:
    return [(turn["role"], turn["content"]) for turn in sent({"messages": messages, **fields}, at)["messages"]]
