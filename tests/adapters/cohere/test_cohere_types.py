"""The bodies that are sent are what Cohere's own package accepts."""

import inspect

import cohere
import msgspec
import pydantic
import pytest

from adapters.base import Losses
from adapters.cohere.request import to_chat_request
from schemas import cohere as wire
from tests.adapters.cohere.translate import ASKED, deployment, request

CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REQUESTS = [
    {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 1, "max_tokens": 5, "stop": ["a"], "logprobs": True},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
    {"reasoning_effort": "high", "frequency_penalty": 0.1, "presence_penalty": 0.1},
    {
        "tools": [{"type": "function", "function": {"name": "f", "description": "d"}}],
        "tool_choice": "required",
        "messages": [
            {"role": "system", "content": "Be brief."},
            *ASKED,
            {"role": "assistant", "content": "Hm.", "tool_calls": [CALLED], "reasoning_content": "A plan."},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "x"},
                {"type": "file", "file": {"file_data": "data:text/plain,x"}},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "https://i.example/i.png", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:text/plain,x", "filename": "x.txt"}},
            ]},
        ],
    },
]  # fmt: skip
FORMS = {
    "messages": list[cohere.ChatMessageV2],
    "tools": list[cohere.ToolV2],
    "documents": list[cohere.Document],
    "citation_options": cohere.CitationOptions,
    "response_format": cohere.ResponseFormatV2,
    "thinking": cohere.Thinking,
}


def test_chat_request_has_the_fields_of_the_package_but_priority() -> None:
    known = set(inspect.signature(cohere.ClientV2.chat_stream).parameters) - {"self", "request_options", "priority"}
    assert set(wire.ChatRequest.__struct_fields__) - {"stream"} == known


def test_embed_request_has_fields_of_the_package_only() -> None:
    assert set(wire.EmbedRequest.__struct_fields__) <= set(inspect.signature(cohere.ClientV2.embed).parameters)


def unknown_fields(value: object) -> set[str]:
    """What the package's models took along without knowing it."""
    if isinstance(value, list):
        return {name for item in value for name in unknown_fields(item)}
    if not isinstance(value, pydantic.BaseModel):
        return set()
    inside = [unknown_fields(getattr(value, name)) for name in type(value).model_fields]
    return set(value.model_extra or {}).union(*inside)


@pytest.mark.parametrize("fields", REQUESTS)
@pytest.mark.parametrize("model", ["command-a-03-2025", "command-a-plus-05-2026"])
def test_chat_request_is_read_by_the_package_without_loss(fields: dict, model: str) -> None:
    options = {"citation_mode": "FAST", "safety_mode": "STRICT"}
    translated = to_chat_request(request(**fields), deployment(model, options=options), Losses("drop"), stream=True)
    body = msgspec.json.decode(msgspec.json.encode(translated.body))
    for name, form in FORMS.items():
        if name in body:
            adapter = pydantic.TypeAdapter(form)
            read = adapter.validate_python(body[name])
            assert unknown_fields(read) == set(), name
            assert adapter.dump_python(read, mode="json", exclude_unset=True) == body[name], name
