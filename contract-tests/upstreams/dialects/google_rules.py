"""What the Gemini API refuses, known from its SDK's types and its own 400s; it must not know the live answers."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
from google.genai import types

from upstreams.dialects import anthropic_answers
from upstreams.dialects.base import Call
from upstreams.dialects.google_answers import field
from upstreams.dialects.shape import Path
from upstreams.recordings import JsonObject

CONTENT_FIELDS: dict[str, Any] = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "safetySettings": list[types.SafetySetting],
    "generationConfig": types.GenerationConfig,
    "cachedContent": str,
    "labels": dict[str, str],
    "serviceTier": str,
    "store": bool,
    "model": str,
}
EMBED_FIELDS: dict[str, Any] = {
    "model": str,
    "content": types.Content,
    "taskType": str,
    "title": str,
    "outputDimensionality": int,
    "embedContentConfig": types.EmbedContentConfig,
}
ADAPTERS = {name: pydantic.TypeAdapter[Any](kind) for name, kind in (CONTENT_FIELDS | EMBED_FIELDS).items()}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
# What another provider has signed.
FOREIGN_SIGNATURES = frozenset({anthropic_answers.SIGNATURE})
FUNCTION_TURN = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)


def problem(call: Call) -> str | None:
    """The provider's message for the first rule that the body breaks; None if there is none."""
    match call.operation:
        case "generateContent" | "streamGenerateContent":
            found = next(fields(call.body, CONTENT_FIELDS), None)
            rules: tuple[Callable[[JsonObject], Iterator[str]], ...] = (turns, declarations, config)
            if call.model.startswith("gemini-3"):
                rules = (*rules, signatures)
            elif call.model.startswith(("gemini-1", "gemini-2")):
                rules = (*rules, json_beside_tools)
            return found or next((text for rule in rules for text in rule(call.body)), None)
        case "embedContent":
            requests = call.body.get("requests", [call.body])
            return next((text for request in requests for text in embedding(request)), None)
        case _:
            return None


def json_beside_tools(body: JsonObject) -> Iterator[str]:
    """Models before Gemini 3 take a form of the answer or tools."""
    wanted = (body.get("generationConfig") or {}).get("responseMimeType", "text/plain")
    if wanted != "text/plain" and body.get("tools"):
        calling = any("functionDeclarations" in tool for tool in body["tools"])
        yield f"{'Function calling' if calling else 'Tool use'} with a response mime type: '{wanted}' is unsupported"


def camel(name: str) -> str:
    """The JSON name of a field that may be given by its proto name."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def fields(body: JsonObject, known: dict[str, Any]) -> Iterator[str]:
    """Unknown fields, and known ones of the wrong shape."""
    for name, value in body.items():
        if camel(name) not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            continue
        try:
            ADAPTERS[camel(name)].validate_python(listed(value))
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            yield message((name, *first["loc"]), first["type"])
        except UserWarning as warning:
            # The SDK warns of enum values that it does not know.
            yield f"Invalid value at '{name}': {warning}"


def listed(value: object) -> object:
    """A single object where a list of parts belongs is one part, as in every JSON of a protocol buffer."""
    if isinstance(value, list):
        return [listed(item) for item in value]
    if isinstance(value, dict) and isinstance(value.get("parts"), dict):
        return {**value, "parts": [value["parts"]]}
    return value


def message(path: Path, kind: str) -> str:
    """The provider's sentence about a place in the body."""
    holder = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[:-1]).removeprefix(".")
    if kind == "extra_forbidden":
        return f"Invalid JSON payload received. Unknown name \"{path[-1]}\" at '{holder}': Cannot find field."
    return f"Invalid value at '{holder}.{path[-1]}' ({kind})"


def turns(body: JsonObject) -> Iterator[str]:
    """Roles, non-empty parts, and results that match their calls."""
    contents = body.get("contents") or []
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified"
        return
    open_calls: list[str] = []
    for position, content in enumerate(contents):
        if content.get("role", "user") not in ("user", "model", "function"):
            yield "Please use a valid role: user, model."
        parts = content.get("parts") or []
        if not parts or any(not part for part in parts):
            yield f"* GenerateContentRequest.contents[{position}].parts: contents.parts must not be empty."
        results = [field(part, "functionResponse")["name"] for part in parts if field(part, "functionResponse")]
        if sorted(results) != sorted(open_calls):
            yield FUNCTION_TURN
        open_calls = [field(part, "functionCall")["name"] for part in parts if field(part, "functionCall")]
        if open_calls and (position == 0 or content.get("role") != "model"):
            yield (
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
    if open_calls:
        yield FUNCTION_TURN


def declarations(body: JsonObject) -> Iterator[str]:
    """Function names are legal and unique; one schema form each; a choice names known functions."""
    names: list[str] = []
    for tool in body.get("tools") or []:
        for declared in tool.get("functionDeclarations") or tool.get("function_declarations") or []:
            names.append(declared.get("name", ""))
            if not NAME.fullmatch(names[-1]):
                yield "Invalid function name. Must start with a letter or an underscore."
            if declared.get("parameters") and field(declared, "parametersJsonSchema"):
                yield "parameters and parameters_json_schema are mutually exclusive"
    if len(set(names)) != len(names):
        yield "Duplicate function declaration found"
    choice = field(field(body, "toolConfig"), "functionCallingConfig")
    if choice.get("mode") == "ANY" and not names:
        yield "Function calling config is set without function_declarations."
    for name in choice.get("allowedFunctionNames") or []:
        if name not in names:
            yield f"allowed_function_names contains a name that is not declared: {name}"


def config(body: JsonObject) -> Iterator[str]:
    """Ranges, and a schema that has its media type."""
    settings = field(body, "generationConfig")
    for name, low, high in (("temperature", 0, 2), ("topP", 0, 1), ("candidateCount", 1, 8)):
        value = settings.get(name)
        if value is not None and not low <= value <= high:
            yield f"* GenerateContentRequest.generation_config.{name}: {value} is not in [{low}, {high}]"
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if settings.get(name)]
    if schemas and settings.get("responseMimeType") != "application/json":
        yield "Function calling with a response mime type: 'text/plain' is unsupported for a response schema"
    if len(schemas) > 1:
        yield "response_schema and response_json_schema are mutually exclusive"
    if len(settings.get("stopSequences") or []) > 5:
        yield "* GenerateContentRequest.generation_config.stop_sequences: at most 5"


def signatures(body: JsonObject) -> Iterator[str]:
    """Gemini 3: no signature of another provider, and one on the first call of each step since the last user text."""
    contents = body["contents"]
    asked = [
        position
        for position, content in enumerate(contents)
        if content.get("role", "user") == "user" and any("text" in part for part in content["parts"])
    ]
    for position, content in enumerate(contents):
        for part in content["parts"]:
            if (part.get("thoughtSignature") or part.get("thought_signature")) in FOREIGN_SIGNATURES:
                yield f"Corrupted thought signature. (content position {position})"
    for position in range(asked[-1] if asked else 0, len(contents)):
        calls = [part for part in contents[position]["parts"] if field(part, "functionCall")]
        if calls and not (calls[0].get("thoughtSignature") or calls[0].get("thought_signature")):
            yield f"Function call is missing a thought_signature in functionCall parts (content position {position})."


def embedding(body: JsonObject) -> Iterator[str]:
    """One embedding request: known fields, and a content with parts."""
    yield from fields(body, EMBED_FIELDS)
    if not (body.get("content") or {}).get("parts"):
        yield "* EmbedContentRequest.content: contents is not specified"
