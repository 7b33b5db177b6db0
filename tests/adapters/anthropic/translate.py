"""Translates a request as a client writes it, and has the provider's SDK look at what would be sent."""

import json
from typing import Any

import msgspec
import pydantic
import pytest
from anthropic.types import message_create_params

from adapters.anthropic.request import Translation, to_messages_request
from adapters.base import Call, Deployment
from adapters.errors import ProviderError
from schemas.chat_request import ChatRequest

PARAMS = pydantic.TypeAdapter[Any](message_create_params.MessageCreateParamsBase)
SAMPLING = {"temperature", "top_p", "top_k"}  # the API version in use takes them, the SDK's types no longer do
QUESTION = [{"role": "user", "content": "Hi"}]
PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}


def call(model: str = "claude-sonnet-4-5", extra: dict | None = None, **deployment) -> Call:
    fields = {"id": "d", "model": "m", "provider": "p", "adapter": "anthropic", "upstream_model": model}
    unknown = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in (extra or {}).items()}
    return Call(deployment=Deployment(**fields, **deployment), request_id="r", deadline=0.0, extra_params=unknown)


def translation(fields: dict, at: Call | None = None) -> Translation:
    document = {"model": "m", "messages": QUESTION, **fields}
    request = msgspec.json.decode(json.dumps(document), type=ChatRequest)
    return to_messages_request(request, at or call(), stream=False)


def sent(fields: dict, at: Call | None = None) -> dict:
    """The body as the provider reads it."""
    body = json.loads(translation(fields, at).encode())
    PARAMS.validate_python({name: value for name, value in body.items() if name not in SAMPLING})
    return body


def turns(messages: list[dict], **fields) -> list[tuple[str, list[dict]]]:
    return [(turn["role"], turn["content"]) for turn in sent({"messages": messages, **fields})["messages"]]


def dropped(fields: dict, **deployment) -> tuple[str, ...]:
    return translation(fields, call(**deployment)).dropped


def refused(fields: dict, **deployment) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        translation(fields, call(**deployment))
    return caught.value


def strict(name: str = "f", parameters: dict = PARAMETERS) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": parameters, "strict": True}}
