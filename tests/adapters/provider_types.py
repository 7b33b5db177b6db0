"""Judges request bodies by the types of the providers' own packages; shares no code with the adapters.

A body is accepted when the types take it and none of its fields gets lost in them: most packages ignore or keep what
they do not know, and check lists only once somebody reads them.
"""

import base64
import binascii
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

import botocore.loaders
import botocore.model
import botocore.validate
import cohere
import ollama
import pydantic
from anthropic.types import message_create_params
from google.genai import types as google
from mistralai.client.models import ChatCompletionRequest
from openai.types.chat import completion_create_params

Json: TypeAlias = Any
OPENAI = pydantic.TypeAdapter[Any](completion_create_params.CompletionCreateParamsNonStreaming)
ANTHROPIC = pydantic.TypeAdapter[Any](message_create_params.MessageCreateParamsNonStreaming)
SAMPLING = {"temperature": 1, "top_p": 1, "top_k": 500}
"""With the greatest value of each. The SDK's types have none of them since the API version that it sends (2026-10-21)
refuses them for every model; the version that the adapter sends (2023-06-01) takes them for the models that it was made
for, and the SDK's users give them in `extra_body`. So they are allowed to these models alone, within their bounds."""
SAMPLED = re.compile(r"claude-(?:[23]|(?:opus|sonnet|haiku)-4(?:-[156])?(?=@|-?20\d{6}|$))")
GOOGLE = {
    "contents": pydantic.TypeAdapter[Any](list[google.Content]),
    "systemInstruction": pydantic.TypeAdapter[Any](google.Content),
    "tools": pydantic.TypeAdapter[Any](list[google.Tool]),
    "toolConfig": pydantic.TypeAdapter[Any](google.ToolConfig),
    "generationConfig": pydantic.TypeAdapter[Any](google.GenerationConfig),
    "serviceTier": pydantic.TypeAdapter[Any](google.ServiceTier),
    "safetySettings": pydantic.TypeAdapter[Any](list[google.SafetySetting]),
}
SERVERS_OWN = re.compile(
    r"\.messages\[\d+\]\.(?:tool_calls\[\d+\]\.id|tool_call_id) is unknown"
    r"|\.tools\[\d+\]\.function\.parameters\.\S+ is unknown"
)
"""Two places where Ollama's server knows more than its package: ids of calls (`ToolCall.ID` and `Message.ToolCallID` in
its `api/types.go`, by which templates tell the results of two calls of one tool apart), and schemas, of which the
package has `type`, `$defs`, `items`, `required` and the outline of `properties`."""
COHERE = {
    "messages": pydantic.TypeAdapter[Any](list[cohere.ChatMessageV2]),
    "tools": pydantic.TypeAdapter[Any](list[cohere.ToolV2]),
    "documents": pydantic.TypeAdapter[Any](list[cohere.Document]),
    "response_format": pydantic.TypeAdapter[Any](cohere.ResponseFormatV2),
    "thinking": pydantic.TypeAdapter[Any](cohere.Thinking),
}


def accept(adapter: str, body: Json) -> None:
    """Take a body or raise `AssertionError` with what the provider's types say against it."""
    try:
        lost = list(ACCEPT[adapter](body))
    except pydantic.ValidationError as error:
        raise AssertionError(str(error)) from error
    if lost:
        raise AssertionError("; ".join(lost))


def _openai(body: Json) -> Iterator[str]:
    return _lost(body, _evaluated(OPENAI.validate_python(body)))


def _anthropic(body: Json) -> Iterator[str]:
    today = {name: value for name, value in body.items() if name not in SAMPLING}
    for name in body.keys() & SAMPLING.keys():
        if not SAMPLED.search(body["model"]):
            yield f"{body['model']} takes no {name}"
        elif not 0 <= body[name] <= SAMPLING[name]:
            yield f"{name} is {body[name]}"
    yield from _lost(today, _evaluated(ANTHROPIC.validate_python(today)))


def _google(body: Json) -> Iterator[str]:
    yield from set(body) - set(GOOGLE)
    for name, form in GOOGLE.items():
        if name in body:
            form.validate_python(body[name])  # the package refuses unknown fields


def _cohere(body: Json) -> Iterator[str]:
    yield from set(body) - {"stream"} - set(inspect.signature(cohere.ClientV2.chat).parameters)
    for name, form in COHERE.items():
        if name in body:
            read = form.validate_python(body[name])
            yield from _strange(read)
            yield from _lost(body[name], form.dump_python(read, mode="json", exclude_unset=True), name)


def _mistral(body: Json) -> Iterator[str]:
    read = ChatCompletionRequest.model_validate(body)
    yield from _strange(read)
    yield from _lost(body, read.model_dump(mode="json", by_alias=True))


def _strange(value: object) -> Iterator[str]:
    """What the packages took along without knowing it."""
    if isinstance(value, pydantic.BaseModel):
        if getattr(value, "is_unknown", False):
            yield f"unknown part {value}"
        yield from value.model_extra or {}
        for name in type(value).model_fields:
            yield from _strange(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from _strange(item)


def _ollama(body: Json) -> Iterator[str]:
    messages = [
        {**message, "images": [{"value": image} for image in message["images"]]} if "images" in message else message
        for message in body["messages"]
    ]
    document = {**body, "messages": [ollama.Message.model_validate(message) for message in messages]}
    if "options" in body:
        document["options"] = ollama.Options.model_validate(body["options"])
    read = ollama._types.ChatRequest.model_validate(document)
    known = read.model_dump(mode="json", exclude_none=True)
    return (place for place in _lost(body, known) if not SERVERS_OWN.fullmatch(place))


@cache
def _converse() -> botocore.model.StructureShape:
    document = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    shape: botocore.model.StructureShape = (
        botocore.model.ServiceModel(document, "bedrock-runtime").operation_model("Converse").input_shape
    )
    return shape


def _bedrock(body: Json) -> Iterator[str]:
    document = {"modelId": "m", **body}
    report = botocore.validate.ParamValidator().validate(document, _converse())
    if report.has_errors():
        yield report.generate_report()
    else:
        yield from _outside(document, _converse(), "")


def _outside(value: Json, shape: botocore.model.Shape, path: str) -> Iterator[str]:
    """What botocore leaves to the service: enumerations, patterns and greatest lengths."""
    if shape.type_name == "structure" and isinstance(value, Mapping) and not getattr(shape, "is_document_type", False):
        for name, member in shape.members.items():
            if name in value:
                yield from _outside(value[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        if len(value) > shape.metadata.get("max", len(value)):
            yield f"{path} has {len(value)} items"
        for index, item in enumerate(value):
            yield from _outside(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "string":
        yield from _outside_text(value, shape.metadata, path)
    elif shape.type_name == "blob":
        yield from _outside_bytes(value, path)


def _outside_text(value: str, facts: Mapping[str, Any], path: str) -> Iterator[str]:
    if "enum" in facts and value not in facts["enum"]:
        yield f"{path} is {value}, none of {facts['enum']}"
    if "pattern" in facts and not re.search(facts["pattern"], value):
        yield f"{path} is {value!r}, unlike {facts['pattern']}"
    if len(value) > facts.get("max", len(value)):
        yield f"{path} is longer than {facts['max']}"


def _outside_bytes(value: str, path: str) -> Iterator[str]:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        yield f"{path} is not in base64: {error}"


def _evaluated(value: object) -> object:
    """The value with its lists read, which pydantic checks on demand."""
    if isinstance(value, Mapping):
        return {key: _evaluated(item) for key, item in value.items()}
    if isinstance(value, Iterator | list):
        return [_evaluated(item) for item in value]
    return value


def _lost(given: object, kept: object, path: str = "") -> Iterator[str]:
    """Places at which the types kept something else than was given; what they add does not matter."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for key, item in given.items():
            if key in kept:
                yield from _lost(item, kept[key], f"{path}.{key}")
            elif item is not None:
                yield f"{path}.{key} is unknown"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, item in enumerate(given):
            yield from _lost(item, kept[index], f"{path}[{index}]")
    elif given != kept:
        yield f"{path} is {given!r} and became {kept!r}"


ACCEPT: dict[str, Callable[[Json], Iterator[str]]] = {
    "openai": _openai,
    "azure_openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "cohere": _cohere,
    "mistral": _mistral,
    "ollama": _ollama,
    "bedrock": _bedrock,
}
