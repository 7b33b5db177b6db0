"""The wire Structs hold to the SDK's own types: a new SDK release shows what they lack."""

import json

import msgspec
import pydantic
import pytest
from google.genai import types as sdk

from adapters.google.finish import _FAILED, _FILTERED, _LENGTH
from schemas.google import embeddings, request, response
from tests.adapters.google.translate import sent

PAIRS = [
    (request.Blob, sdk.Blob),
    (request.FileData, sdk.FileData),
    (request.FunctionCall, sdk.FunctionCall),
    (request.FunctionResponsePart, sdk.FunctionResponsePart),
    (request.FunctionResponse, sdk.FunctionResponse),
    (request.Part, sdk.Part),
    (request.Content, sdk.Content),
    (request.FunctionDeclaration, sdk.FunctionDeclaration),
    (request.Tool, sdk.Tool),
    (request.FunctionCallingConfig, sdk.FunctionCallingConfig),
    (request.ToolConfig, sdk.ToolConfig),
    (request.ThinkingConfig, sdk.ThinkingConfig),
    (request.SpeechConfig, sdk.SpeechConfig),
    (request.GenerationConfig, sdk.GenerationConfig),
    (response.ReceivedPart, sdk.Part),
    (response.Segment, sdk.Segment),
    (response.GroundingChunk, sdk.GroundingChunk),
    (response.GroundingSupport, sdk.GroundingSupport),
    (response.GroundingMetadata, sdk.GroundingMetadata),
    (response.LogprobCandidate, sdk.LogprobsResultCandidate),
    (response.Candidate, sdk.Candidate),
    (response.UsageMetadata, sdk.GenerateContentResponseUsageMetadata),
    (embeddings.ContentEmbedding, sdk.ContentEmbedding),
]

RECORDED = {"serviceTier"}
"""What the Gemini API answers in `usageMetadata` and the SDK does not know there."""


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[ours.__name__ for ours, _ in PAIRS])
def test_wire_struct_has_fields_that_the_sdk_knows(ours: type, theirs: type[pydantic.BaseModel]) -> None:
    known = {field.alias or name for name, field in theirs.model_fields.items()}
    aliases = {name: theirs.model_config["alias_generator"](name) for name in theirs.model_fields}
    assert set(ours.__struct_encode_fields__) <= known | set(aliases.values()) | RECORDED


def test_finish_reasons_of_the_sdk_are_all_placed() -> None:
    rest = {"FINISH_REASON_UNSPECIFIED", "STOP", "PUP_LIMITED_DISABLED"}
    assert {reason.value for reason in sdk.FinishReason} <= _FAILED | _FILTERED | _LENGTH | rest


def test_body_with_everything_is_accepted_by_the_sdks_types() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1hZ2U="}}
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    body = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look:"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "{}"}, image]},
        ],
        tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}],
        tool_choice="required",
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        modalities=["audio"],
        audio={"format": "pcm16", "voice": "Kore"},
        reasoning_effort="high",
        stop=["END"],
        logprobs=True,
    )
    fields = {
        "contents": list[sdk.Content],
        "systemInstruction": sdk.Content,
        "tools": list[sdk.Tool],
        "toolConfig": sdk.ToolConfig,
        "generationConfig": sdk.GenerationConfig,
    }
    assert set(body) == set(fields)
    for name, kind in fields.items():
        pydantic.TypeAdapter(kind).validate_json(json.dumps(body[name]))


def test_received_answer_of_unknown_fields_is_read() -> None:
    decoded = msgspec.json.decode(
        b'{"candidates":[{"news":1,"content":{"parts":[{"brandNew":{}}]}}]}', type=response.GenerateContentResponse
    )
    assert decoded.candidates is not None
