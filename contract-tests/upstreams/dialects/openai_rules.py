"""What OpenAI refuses, known from its SDK's types and its own 400s; it must not know the live answers."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pydantic
from openai.types import completion_create_params as completion_params
from openai.types import embedding_create_params as embedding_params
from openai.types.chat import completion_create_params as chat_params

from upstreams.dialects.base import Call
from upstreams.dialects.shape import Path, shape_problem
from upstreams.recordings import JsonObject

MAX_CALL_ID = 64
# What stands in an answer's message may be sent back with it.
ANSWERED = frozenset({"annotations"})
EMPTY = "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array instead."
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PARAMS: dict[str, tuple[Any, ...]] = {
    "chat.completions": (chat_params.CompletionCreateParamsNonStreaming, chat_params.CompletionCreateParamsStreaming),
    "completions": (
        completion_params.CompletionCreateParamsNonStreaming,
        completion_params.CompletionCreateParamsStreaming,
    ),
    "embeddings": (embedding_params.EmbeddingCreateParams,),
}
FIELDS = {operation: frozenset(get_type_hints(types[0])) for operation, types in PARAMS.items()}
ADAPTERS = {
    (operation, streamed): pydantic.TypeAdapter[Any](types[-1 if streamed else 0])
    for operation, types in PARAMS.items()
    for streamed in (False, True)
}


def problem(call: Call, extra_fields: frozenset[str] | None) -> str | None:
    """The provider's message for the first rule that the body breaks; None if there is none.

    The model may stand in the path instead of the body. `extra_fields` are further top-level fields to take; None
    takes any, in messages too, as compatible servers do.
    """
    if call.operation not in PARAMS:
        return None
    body = {"model": call.model, **call.body}
    known = {name: value for name, value in body.items() if name in FIELDS[call.operation]}
    if extra_fields is None and isinstance(known.get("messages"), list):
        known["messages"] = [without_films(text_only(message)) for message in known["messages"]]
    unknown = body.keys() - known.keys()
    if extra_fields is not None and unknown - extra_fields:
        return f"Unrecognized request argument supplied: {min(unknown - extra_fields)}"
    if isinstance(known.get("messages"), list):
        known["messages"] = [without_tool_name(entry) for entry in known["messages"]]
    known |= {name: joined_tokens(known[name]) for name in ("input", "prompt") if name in known}
    found = shape_problem(ADAPTERS[call.operation, call.streamed], known, ANSWERED)
    if found is not None and not (extra_fields is None and "Extra inputs" in found[1]):
        return message(*found)
    rules: tuple[Callable[[JsonObject], Iterator[str]], ...] = (common,)
    if call.operation == "chat.completions":
        rules = (common, limits, tools, history)
    return next((text for rule in rules for text in rule(body)), None)


def joined_tokens(texts: object) -> object:
    """Several texts as tokens as one: the types take both, but pydantic judges such a union by its first member."""
    if isinstance(texts, list) and texts and all(isinstance(text, list) and text for text in texts):
        return [token for text in texts for token in text]
    return texts


def without_tool_name(entry: object) -> object:
    """A tool's message without the tool's name, which the API takes and its types no longer have."""
    if isinstance(entry, dict) and entry.get("role") == "tool" and isinstance(entry.get("name"), str):
        return {key: value for key, value in entry.items() if key != "name"}
    return entry


def text_only(message: object) -> object:
    """A tool's message without its media, which compatible servers take there and OpenAI does not."""
    if not isinstance(message, dict) or message.get("role") != "tool" or not isinstance(message.get("content"), list):
        return message
    texts = [part for part in message["content"] if part.get("type") == "text"]
    return {**message, "content": texts or [{"type": "text", "text": ""}]}


def without_films(message: object) -> object:
    """A message without its videos, which compatible servers take and OpenAI does not."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    kept = [part for part in message["content"] if not (part.get("type") == "video_url" and part["video_url"]["url"])]
    return {**message, "content": kept}


def message(path: Path, text: str) -> str:
    """The provider's sentence about a place in the body."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    if text == "Field required":
        return f"Missing required parameter: '{place}'."
    if text == "Extra inputs are not permitted":
        return f"Unknown parameter: '{place}'."
    return f"Invalid value for '{place}': {text}."


def common(body: JsonObject) -> Iterator[str]:
    """Rules of every operation."""
    if not body["model"]:
        yield "you must provide a model parameter"
    if body.get("stream_options") is not None and body.get("stream") is not True:
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if body.get("input") == []:
        yield "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."


def limits(body: JsonObject) -> Iterator[str]:
    """Ranges and fields that exclude each other."""
    if not body["messages"]:
        yield EMPTY.format("messages")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        yield "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 128), ("max_tokens", 1, 1 << 31)):
        value = body.get(name)
        if value is not None and not low <= value <= high:
            yield f"Invalid '{name}': {value} is not between {low} and {high}."
    if body.get("top_logprobs") is not None and body.get("logprobs") is not True:
        yield "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
    json_mode = (body.get("response_format") or {}).get("type") == "json_object"
    if json_mode and "json" not in json.dumps(body["messages"]).lower():
        yield "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."


def tools(body: JsonObject) -> Iterator[str]:
    """Tools, their names, and what needs them."""
    given = body.get("tools")
    if given == []:
        yield EMPTY.format("tools")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) not in (None, "none") and not given:
            yield f"'{name}' is only allowed when 'tools' are specified."
    for position, tool in enumerate(given or []):
        named = tool.get(tool["type"]) or {}
        if not NAME.fullmatch(named.get("name", "")):
            yield f"Invalid 'tools[{position}].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
    choice = body.get("tool_choice")
    wanted = (choice.get("function") or {}).get("name") if isinstance(choice, dict) else None
    if wanted is not None and wanted not in {(tool.get("function") or {}).get("name") for tool in given or []}:
        yield f"Tool choice '{wanted}' not found in 'tools' parameter."


def history(body: JsonObject) -> Iterator[str]:
    """Every call is answered at once, and nothing else is."""
    open_calls: list[str] = []
    for position, entry in enumerate(body["messages"]):
        if entry["role"] == "tool":
            if entry["tool_call_id"] not in open_calls:
                yield (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    f"with 'tool_calls' (messages[{position}])."
                )
                return
            open_calls.remove(entry["tool_call_id"])
            continue
        if open_calls:
            break
        open_calls = [call["id"] for call in entry.get("tool_calls") or []]
        for number, identity in enumerate(open_calls):
            if not 0 < len(identity) <= MAX_CALL_ID:
                yield (
                    f"Invalid 'messages[{position}].tool_calls[{number}].id': string too long. Expected a string "
                    f"with maximum length {MAX_CALL_ID}, but got a string with length {len(identity)} instead."
                )
        if entry["role"] == "assistant" and not open_calls and not entry.get("content") and not speaks(entry):
            yield f"Invalid value for 'content': expected a string, got null (messages[{position}])."
    if open_calls:
        yield (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
        )


def speaks(entry: JsonObject) -> bool:
    """Whether an assistant's message without content says something in another field."""
    return entry.get("content") == "" or any(entry.get(name) for name in ("refusal", "audio", "function_call"))
