"""What Anthropic refuses, known from its SDK's types and its own 400s; it must not know the live answers."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pydantic
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_params

from upstreams.dialects import google_answers
from upstreams.dialects.base import Call
from upstreams.dialects.shape import Path, shape_problem
from upstreams.recordings import JsonObject

CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MIN_THINKING_TOKENS = 1024
# What another provider has signed, or claims not to.
FOREIGN_SIGNATURES = frozenset({google_answers.SIGNATURE, "skip_thought_signature_validator"})

# The API still takes what the SDK's types no longer offer.
OLDER_FIELDS = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 1 << 20)}
BETA_FIELDS = frozenset({"output_format"})
# JSON schemas are the caller's.
OPAQUE = frozenset({"input_schema"})
PARAMS: dict[tuple[str, bool], Any] = {
    ("messages", False): message_create_params.MessageCreateParamsBase,
    ("messages", True): beta_params.MessageCreateParamsBase,
    ("count_tokens", False): message_count_tokens_params.MessageCountTokensParams,
    ("count_tokens", True): beta_count_params.MessageCountTokensParams,
}
ADAPTERS = {key: pydantic.TypeAdapter[Any](params) for key, params in PARAMS.items()}
FIELDS = {key: frozenset(get_type_hints(params)) - {"betas", "prefill"} for key, params in PARAMS.items()}


def problem(call: Call, *, alternating: bool = False) -> str | None:
    """The provider's message for the first rule that the body breaks; None if there is none.

    `alternating` also refuses two turns of one role in a row, which the API itself joins.
    """
    if call.operation == "models":
        return None
    beta = call.request.header("anthropic-beta") is not None or call.request.query.get("beta") == ["true"]
    key = (call.operation, beta)
    own = {name: value for name, value in call.body.items() if name not in OLDER_FIELDS and name != "stream"}
    unknown = own.keys() - FIELDS[key] - (BETA_FIELDS if beta else frozenset())
    if unknown:
        return f"{min(unknown)}: Extra inputs are not permitted"
    typed = {name: value for name, value in own.items() if name not in BETA_FIELDS}
    found = shape_problem(ADAPTERS[key], typed, OPAQUE)
    if found is not None:
        return message(*found)
    rules: tuple[Callable[[JsonObject], Iterator[str]], ...]
    rules = (turns, tool_history, blocks, tools, ranges, thinking, tool_loop)
    if alternating:
        rules = (alternate, *rules)
    return next((text for rule in rules for text in rule(call.body)), None)


def message(path: Path, text: str) -> str:
    """The provider's sentence about a place in the body."""
    return f"{'.'.join(map(str, path))}: {text}"


def blocks_of(entry: JsonObject) -> list[JsonObject]:
    """The content blocks of a turn; a string is one text block."""
    content = entry["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def alternate(body: JsonObject) -> Iterator[str]:
    """No two turns of one role in a row."""
    roles = [entry["role"] for entry in body["messages"]]
    for position, (before, after) in enumerate(itertools.pairwise(roles), 1):
        if before == after:
            yield f'messages: roles must alternate, but found multiple "{after}" roles in a row at {position}'


def turns(body: JsonObject) -> Iterator[str]:
    """There is a first turn, by the user, and only the last may be empty or end in a prefill."""
    entries = body["messages"]
    if not entries:
        yield "messages: at least one message is required"
        return
    if entries[0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    last = entries[-1]
    if last["role"] == "assistant":
        texts = [block["text"] for block in blocks_of(last) if block["type"] == "text"]
        if texts and texts[-1] != texts[-1].rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"
    for position, entry in enumerate(entries):
        if not entry["content"] and not (entry is last and entry["role"] == "assistant"):
            yield (
                f"messages.{position}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )


def blocks(body: JsonObject) -> Iterator[str]:
    """No empty texts; thinking comes first in a turn and is signed."""
    for position, entry in enumerate(body["messages"]):
        for number, block in enumerate(blocks_of(entry)):
            place = f"messages.{position}.content.{number}"
            if block["type"] == "text" and not block["text"]:
                yield "messages: text content blocks must be non-empty"
            if block["type"] == "text" and not block["text"].strip():
                yield "messages: text content blocks must contain non-whitespace text"
            if block["type"] == "thinking" and (not block["signature"] or block["signature"] in FOREIGN_SIGNATURES):
                yield f"{place}: Invalid `signature` in `thinking` block"
    system = body.get("system")
    for block in system if isinstance(system, list) else []:
        if not block["text"]:
            yield "system: text content blocks must be non-empty"


def tool_history(body: JsonObject) -> Iterator[str]:
    """Results stand at the head of the turn that follows their calls, each call has one, and ids are legal."""
    open_calls: list[str] = []
    before = ""
    for position, entry in enumerate(body["messages"]):
        content = blocks_of(entry)
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        calls = [block["id"] for block in content if block["type"] == "tool_use"]
        for identity in (*calls, *results):
            if not CALL_ID.fullmatch(identity):
                yield f"messages.{position}.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
        stray = [identity for identity in results if identity not in open_calls]
        if stray:
            yield (
                f"messages.{position}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {stray[0]}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if [block["type"] for block in content[: len(results)]] != ["tool_result"] * len(results):
            yield f"messages.{position}: `tool_result` blocks must come before other content"
        if len(set(results)) != len(results):
            yield f"messages.{position}: each tool_use must have a single result"
        missing = [identity for identity in open_calls if identity not in results]
        if missing and entry["role"] != before:
            yield (
                f"messages.{position - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        open_calls, before = calls, entry["role"]
    if open_calls:
        listed = ", ".join(open_calls)
        yield f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {listed}"


def tools(body: JsonObject) -> Iterator[str]:
    """Names are legal and unique, schemas are objects, and a choice needs tools."""
    given = body.get("tools") or []
    names = [tool["name"] for tool in given if "name" in tool]
    for position, tool in enumerate(given):
        if "input_schema" not in tool:
            continue
        if not TOOL_NAME.fullmatch(tool["name"]):
            yield f"tools.{position}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if tool["input_schema"].get("type") != "object":
            yield f"tools.{position}.custom.input_schema.type: Input should be 'object'"
    if len(set(names)) != len(names):
        yield "tools: Tool names must be unique."
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not given:
        yield "tool_choice: tool_choice may only be specified while providing tools"
    if choice["type"] == "tool" and choice["name"] not in names:
        yield f"tool_choice: Tool '{choice['name']}' not found in provided tools"


def ranges(body: JsonObject) -> Iterator[str]:
    """Numbers within their bounds, and stop sequences that say something."""
    for name, (low, high) in OLDER_FIELDS.items():
        value = body.get(name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            yield f"{name}: range: {low}..{high}"
    if body.get("max_tokens", 0) < 0:
        yield "max_tokens: must be greater than or equal to 1"
    for stop in body.get("stop_sequences") or []:
        if not stop.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"


def thinking(body: JsonObject) -> Iterator[str]:
    """What thinking forbids and needs."""
    config = body.get("thinking") or {"type": "disabled"}
    if config["type"] not in ("enabled", "adaptive"):
        return
    if body.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if config["type"] == "enabled":
        # Adaptive thinking goes with a forced choice: the recordings have it.
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            yield "Thinking may not be enabled when tool_choice forces tool use."
        if config["budget_tokens"] < MIN_THINKING_TOKENS:
            yield "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if config["budget_tokens"] >= body["max_tokens"]:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."


def tool_loop(body: JsonObject) -> Iterator[str]:
    """With thinking on a budget, the turn whose calls are being answered begins with the thinking that led to them."""
    if (body.get("thinking") or {}).get("type") != "enabled" or len(body["messages"]) < 2:
        return
    before, last = body["messages"][-2:]
    if last["role"] != "user" or not any(block["type"] == "tool_result" for block in blocks_of(last)):
        return
    found = blocks_of(before)[0]["type"]
    if found not in ("thinking", "redacted_thinking"):
        yield (
            f"messages.{len(body['messages']) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block"
        )
