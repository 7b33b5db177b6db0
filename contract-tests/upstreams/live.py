"""Deterministic answers to any request: a pure function from a neutral question to a neutral turn; no dialect here."""

import hashlib
import json
import re

import msgspec

from upstreams.reading import ToolCall, Usage
from upstreams.recordings import Json, JsonObject

BYTES_PER_TOKEN = 4
DIRECTIVE = re.compile(r"\[(tools?|refuse|text|cached|written|written_1h|think)(?:=(\d+))?\]")
FILLER = "aqueduct "


class Tool(msgspec.Struct, frozen=True):
    """A tool that the request offers, with the JSON schema of its arguments."""

    name: str
    schema: JsonObject


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for. `text` is the last user text; `choice` is auto, none, required or a tool's name.

    Words in brackets in the text steer the answer: [tool], [tools=2], [refuse], [text=500] (bytes), [cached=64]
    (prompt tokens), [written=12] and [written_1h=5] (prompt tokens put into the cache, and those of them for an hour),
    [think].
    """

    text: str
    prompt: str
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    tool_result: str | None = None
    schema: JsonObject | None = None
    json_object: bool = False
    max_tokens: int | None = None
    reasoning: bool = False


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `finish` is OpenAI's term; `written_1h` is the part of the cache writes that stays for an hour."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    finish: str
    refusal: str | None
    usage: Usage
    written_1h: int = 0


def tokens(text: str) -> int:
    """Tokens of a text by the mocks' rule: a quarter of its UTF-8 bytes, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def directives(text: str) -> dict[str, int]:
    """The bracketed words in a text; without a number they count 1."""
    return {word: int(number or 1) for word, number in DIRECTIVE.findall(text)}


def turn(ask: Ask, choice_index: int = 0) -> Turn:
    """Answer number `choice_index` to a question."""
    asked = directives(ask.text)
    reasoning = f"Thinking about: {ask.text}" if ask.reasoning or "think" in asked else ""
    prompt = tokens(ask.prompt)
    cached = min(asked.get("cached", 0), prompt)
    written = min(asked["written"], prompt - cached) if "written" in asked else None
    if "refuse" in asked:
        refusal = "I cannot help with that."
        usage = Usage(prompt=prompt, completion=tokens(refusal), cached=cached, reasoning=0)
        return Turn(text="", reasoning="", calls=(), finish="content_filter", refusal=refusal, usage=usage)
    calls = tool_calls(ask, asked)
    text = "" if calls else reply_text(ask, asked, choice_index)
    return limited(ask, Turn(
        text=text,
        reasoning=reasoning,
        calls=calls,
        finish="tool_calls" if calls else "stop",
        refusal=None,
        usage=Usage(prompt=prompt, cached=cached, cache_write=written),
        written_1h=min(asked.get("written_1h", 0), written or 0),
    ))  # fmt: skip


def limited(ask: Ask, whole: Turn) -> Turn:
    """Cut the turn to the request's token limit, reasoning first, and count what is left."""
    budget = ask.max_tokens if ask.max_tokens is not None else 1 << 30
    reasoning = first_tokens(whole.reasoning, budget)
    budget -= tokens(reasoning)
    call_tokens = sum(tokens(call.name + json.dumps(call.arguments)) for call in whole.calls)
    fits = call_tokens <= budget
    text = first_tokens(whole.text, budget)
    cut = reasoning != whole.reasoning or text != whole.text or not fits
    used = tokens(reasoning) + tokens(text) + (call_tokens if fits else 0)
    usage = msgspec.structs.replace(whole.usage, completion=used, reasoning=tokens(reasoning))
    return msgspec.structs.replace(
        whole,
        text=text,
        reasoning=reasoning,
        calls=whole.calls if fits else (),
        finish="length" if cut else whole.finish,
        usage=usage,
    )


def first_tokens(text: str, count: int) -> str:
    """The text's first tokens, never half a character."""
    return text.encode()[: max(0, count) * BYTES_PER_TOKEN].decode(errors="ignore")


def tool_calls(ask: Ask, asked: dict[str, int]) -> tuple[ToolCall, ...]:
    """Calls that the choice forces or the text asks for; after a tool's result none unless forced.

    Where any call is forced after a result, it is of the last tool.
    """
    named = [tool for tool in ask.tools if tool.name == ask.choice]
    if ask.tools and ask.choice == "required" and ask.tool_result is not None:
        return (ToolCall(ask.tools[-1].name, instance(ask.tools[-1].schema, ask.tools[-1].schema)),)
    if not ask.tools or ask.choice == "none" or (ask.tool_result is not None and not named):
        return ()
    count = max(asked.get("tool", 0), asked.get("tools", 0))
    if not count and ask.choice != "required" and not named:
        return ()
    chosen = (named or list(ask.tools))[: max(1, count)] if len(named) != 1 else named * max(1, count)
    while len(chosen) < count:
        chosen.append(chosen[len(chosen) % len(ask.tools)])
    chosen = chosen if ask.parallel else chosen[:1]
    return tuple(ToolCall(tool.name, instance(tool.schema, tool.schema)) for tool in chosen)


def reply_text(ask: Ask, asked: dict[str, int], choice_index: int) -> str:
    """An echo of the question, of the tool's result, or an instance of the schema."""
    if ask.schema is not None:
        return json.dumps(instance(ask.schema, ask.schema), ensure_ascii=False)
    if ask.json_object:
        return json.dumps({"echo": ask.text}, ensure_ascii=False)
    if "text" in asked:
        return (FILLER * (asked["text"] // len(FILLER) + 1))[: asked["text"]]
    heard = f"The tool says: {ask.tool_result}" if ask.tool_result is not None else f"You said: {ask.text}"
    return heard if choice_index == 0 else f"({choice_index}) {heard}"


def instance(schema: JsonObject, root: JsonObject) -> Json:
    """The smallest value that satisfies a JSON schema; every property is present, references are followed."""
    if "$ref" in schema:
        target = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        return instance(target, root)
    named: list[Json] = [schema[key] for key in ("const", "default") if key in schema] or schema.get("enum", [])
    if named:
        return named[0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][0], root)
    return plain_instance(schema, root)


def plain_instance(schema: JsonObject, root: JsonObject) -> Json:
    """The smallest value of a schema that only names its type; Google writes the names in capitals."""
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()
    match kind:
        case "object":
            return {name: instance(part, root) for name, part in (schema.get("properties") or {}).items()}
        case "array":
            return [instance(schema.get("items") or {}, root) for _ in range(max(1, schema.get("minItems", 1)))]
        case "integer" | "number":
            return float(schema.get("minimum", 1)) if kind == "number" else int(schema.get("minimum", 1))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "x" * max(1, int(schema.get("minLength", 1)))


def words(text: str) -> list[str]:
    """The text in stream pieces: joined, they are the text again."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)


def fragments(text: str, size: int = 7) -> list[str]:
    """Arguments in stream pieces."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def stable_id(prefix: str, seed: str, length: int = 24) -> str:
    """An id that depends on its seed alone."""

    return prefix + hashlib.sha256(seed.encode()).hexdigest()[:length]


def vector(text: str, dimensions: int) -> list[float]:
    """A unit-free embedding that depends on the text alone; every number is exact in 32 bits."""
    seed = sum((position + 1) * byte for position, byte in enumerate(text.encode()))
    return [((seed * (position + 3)) % 257 - 128) / 256 for position in range(dimensions)]


def ranked(query: str, documents: list[str]) -> list[JsonObject]:
    """The documents' places and scores, best first: the share of the query's words that a document has."""
    wanted = set(query.lower().split())
    scores = [len(wanted & set(text.lower().split())) / (len(wanted) or 1) for text in documents]
    places = sorted(range(len(documents)), key=lambda place: -scores[place])
    return [{"index": place, "relevance_score": scores[place]} for place in places]
