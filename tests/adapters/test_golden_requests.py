"""What every dialect is sent for instructive conversations: read in review, and accepted by the providers' own types.

`golden_requests/*.json` are requests as clients write them; `golden/requests/*.json` say what each dialect makes of
one: the body, what is named as dropped, or why it is refused. `make golden` rewrites them.
"""

import json
from pathlib import Path
from typing import Any, get_type_hints

import cohere
import pydantic
import pytest
from anthropic.types import message_create_params
from google.genai import types as google
from openai.types.chat import completion_create_params

from adapters.errors import ProviderError
from tests.adapters.dialects import DIALECTS, Sent, sent_or_refused
from tests.golden import Golden

FOLDER = Path(__file__).parent / "golden_requests"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


def request_of(case: str) -> dict[str, object]:
    document: dict[str, object] = json.loads((FOLDER / f"{case}.json").read_text("utf-8"))
    return document


def described(found: Sent | ProviderError) -> dict[str, object]:
    if isinstance(found, ProviderError):
        return {"refused": found.kind, "param": found.param, "message": found.message}
    return {"body": found.body, **({"dropped": sorted(found.dropped)} if found.dropped else {})}


@pytest.mark.parametrize("case", CASES)
async def test_request_is_what_was_read_in_review(case: str, golden: Golden) -> None:
    found = {dialect: described(await sent_or_refused(dialect, request_of(case))) for dialect in DIALECTS}
    golden.check(f"requests/{case}.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def test_conversations_are_many() -> None:
    assert len(CASES) >= 60


# --- the providers' own types

OPENAI = pydantic.TypeAdapter[Any](completion_create_params.CompletionCreateParamsNonStreaming)
ANTHROPIC = pydantic.TypeAdapter[Any](message_create_params.MessageCreateParamsNonStreaming)
OLDER = {"temperature", "top_p", "top_k"}
"""The API version in use takes them, the SDK's types no longer do."""
GOOGLE = {
    "contents": list[google.Content],
    "systemInstruction": google.Content,
    "tools": list[google.Tool],
    "toolConfig": google.ToolConfig,
    "generationConfig": google.GenerationConfig,
    "safetySettings": list[google.SafetySetting],
}
COHERE = {
    "messages": list[cohere.ChatMessageV2],
    "tools": list[cohere.ToolV2],
    "documents": list[cohere.Document],
    "response_format": cohere.ResponseFormatV2,
    "thinking": cohere.Thinking,
}


def accept_openai(body: dict) -> None:
    assert set(body) <= set(get_type_hints(completion_create_params.CompletionCreateParamsNonStreaming))
    OPENAI.validate_python(body)


def accept_anthropic(body: dict) -> None:
    today = {name: value for name, value in body.items() if name not in OLDER}
    assert set(today) <= set(get_type_hints(message_create_params.MessageCreateParamsNonStreaming))
    ANTHROPIC.validate_python(today)


def accept_google(body: dict) -> None:
    assert set(body) <= set(GOOGLE)
    for name, kind in GOOGLE.items():
        if name in body:
            pydantic.TypeAdapter[Any](kind).validate_json(json.dumps(body[name]))


def accept_cohere(body: dict) -> None:
    for name, kind in COHERE.items():
        if name in body:
            read = pydantic.TypeAdapter[Any](kind)
            value = read.validate_python(body[name])
            assert read.dump_python(value, mode="json", exclude_unset=True) == body[name], name


TYPES = {
    "openai": accept_openai,
    "anthropic": accept_anthropic,
    "google": accept_google,
    "cohere": accept_cohere,
}


@pytest.mark.parametrize("dialect", TYPES)
async def test_every_body_is_accepted_by_the_providers_own_types(dialect: str) -> None:
    accepted = 0
    for case in CASES:
        found = await sent_or_refused(dialect, request_of(case))
        if isinstance(found, Sent):
            try:
                TYPES[dialect](found.body)
            except (AssertionError, pydantic.ValidationError) as error:
                raise AssertionError(f"{case}: {error}") from error
            accepted += 1
    assert accepted >= 50
