"""Live answers in the Gemini API's wire format; it must not know credentials or routing."""

import json
from collections.abc import Iterator

import msgspec

from upstreams import live
from upstreams.dialects.base import Answer, Call
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, vector, words
from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import data_event, json_reply, sse_reply

SIGNATURE = "bW9jay10aG91Z2h0LXNpZ25hdHVyZQ=="
FINISH_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
CHOICES = {"AUTO": "auto", "VALIDATED": "auto", "NONE": "none", "ANY": "required"}
DEFAULT_DIMENSIONS = 8


def field(holder: JsonObject, camel: str) -> JsonObject:
    """An object of the request by its JSON name or its proto name; both are legal."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
    value = holder.get(camel, holder.get(snake))
    return value if isinstance(value, dict) else {}


def part_text(part: JsonObject) -> str:
    """The text of a part; function calls and their results count as their JSON."""
    call, result = field(part, "functionCall"), field(part, "functionResponse")
    if call:
        return str(call["name"]) + json.dumps(call.get("args") or {})
    if result:
        return json.dumps(result.get("response") or {})
    return str(part.get("text") or "")


def content_text(content: JsonObject) -> str:
    """The text of all parts."""
    parts = content.get("parts") or []
    return "".join(map(part_text, parts if isinstance(parts, list) else [parts]))


def prompt_of(body: JsonObject) -> str:
    """Everything that counts as prompt."""
    contents = body.get("contents") or []
    return content_text(field(body, "systemInstruction")) + "".join(map(content_text, contents))


def prompt_tokens(body: JsonObject) -> int:
    """Prompt tokens of a request."""
    return tokens(prompt_of(body))


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    last = body["contents"][-1].get("parts") or []
    results = [part for part in last if field(part, "functionResponse")]
    users = [text for content in body["contents"] if content.get("role", "user") == "user" and (text := plain(content))]
    config = field(body, "generationConfig")
    thinking = field(config, "thinkingConfig")
    mime = config.get("responseMimeType")
    return Ask(
        text=users[-1] if users else "",
        prompt=prompt_of(body),
        tools=tuple(tools_of(body)),
        choice=choice_of(field(field(body, "toolConfig"), "functionCallingConfig")),
        tool_result="".join(map(part_text, results)) if results else None,
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        json_object=mime == "application/json",
        max_tokens=config.get("maxOutputTokens"),
        reasoning=thinking.get("includeThoughts") is True and thinking.get("thinkingBudget") != 0,
    )


def plain(content: JsonObject) -> str:
    """Text parts only."""
    return "".join(str(part.get("text") or "") for part in content.get("parts") or [])


def tools_of(body: JsonObject) -> Iterator[Tool]:
    """Every declared function; its schema may be Google's or a JSON schema."""
    for tool in body.get("tools") or []:
        for declared in tool.get("functionDeclarations") or tool.get("function_declarations") or []:
            schema = field(declared, "parametersJsonSchema") or declared.get("parameters") or {"type": "object"}
            yield Tool(declared["name"], schema)


def choice_of(config: JsonObject) -> str:
    """auto, none, required, or the name of the only allowed function."""
    allowed = config.get("allowedFunctionNames") or []
    if config.get("mode") == "ANY" and len(allowed) == 1:
        return str(allowed[0])
    return CHOICES[config.get("mode", "AUTO")]


def usage_of(turn: Turn) -> JsonObject:
    """Google's usage: thoughts stand beside the candidates, the prompt includes what was cached."""
    prompt, thoughts = turn.usage.prompt or 0, turn.usage.reasoning or 0
    answer = (turn.usage.completion or 0) - thoughts
    counts: JsonObject = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    if turn.usage.cached:
        counts["cachedContentTokenCount"] = turn.usage.cached
    return counts


def call_parts(turn: Turn, seed: str) -> list[JsonObject]:
    """Function calls; the first of a parallel group carries the signature."""
    parts: list[JsonObject] = []
    for position, call in enumerate(turn.calls):
        body = {"id": stable_id("fc_", f"{seed}/{position}", 8), "name": call.name, "args": call.arguments}
        parts.append({"functionCall": body} if position else {"functionCall": body, "thoughtSignature": SIGNATURE})
    return parts


def parts_of(turn: Turn, seed: str) -> list[JsonObject]:
    """All parts of an answer: thoughts, text, calls."""
    parts: list[JsonObject] = [{"text": turn.reasoning, "thought": True}] if turn.reasoning else []
    if turn.text:
        parts.append({"text": turn.text, **text_signature(turn)})
    return parts + call_parts(turn, seed)


def text_signature(turn: Turn) -> JsonObject:
    """The signature of an answer that thought and called nothing: on its last text."""
    return {"thoughtSignature": SIGNATURE} if turn.reasoning and not turn.calls else {}


def reported(turn: Turn) -> Usage:
    """The usage in OpenAI's terms, as a reader should find it."""
    return Usage(
        prompt=turn.usage.prompt,
        completion=turn.usage.completion,
        cached=turn.usage.cached or None,
        reasoning=turn.usage.reasoning or None,
    )


def content(call: Call) -> Answer:
    """A generated content, whole or streamed."""
    ask = ask_of(call.body)
    count = field(call.body, "generationConfig").get("candidateCount", 1)
    turns = [live.turn(ask, position) for position in range(count)]
    whole = counted(turns)
    if call.streamed:
        parts = [
            event for position, turn in enumerate(turns) for event in events(call, turn, ask.prompt, (position, whole))
        ]
        return Answer(sse_reply(tuple(parts)), reported(whole))
    candidates = [candidate(turn, parts_of(turn, ask.prompt), position) for position, turn in enumerate(turns)]
    return Answer(json_reply({"candidates": candidates, **frame(call, whole, ask.prompt)}), reported(whole))


def counted(turns: list[Turn]) -> Turn:
    """The first turn with the usage of all: one prompt, every completion."""
    completion = sum(turn.usage.completion or 0 for turn in turns)
    reasoning = sum(turn.usage.reasoning or 0 for turn in turns)
    usage = msgspec.structs.replace(turns[0].usage, completion=completion, reasoning=reasoning)
    return msgspec.structs.replace(turns[0], usage=usage)


def frame(call: Call, turn: Turn, seed: str) -> JsonObject:
    """What stands beside the candidates."""
    return {"usageMetadata": usage_of(turn), "modelVersion": call.model, "responseId": stable_id("", seed, 22)}


def candidate(turn: Turn, parts: list[JsonObject], index: int) -> JsonObject:
    """A finished candidate; one that was blocked has no content."""
    finish: JsonObject = {"finishReason": FINISH_REASONS[turn.finish], "index": index}
    return finish if turn.finish == "content_filter" else {"content": {"parts": parts, "role": "model"}, **finish}


def events(call: Call, turn: Turn, seed: str, place: tuple[int, Turn]) -> Iterator[bytes]:
    """A candidate's stream: pieces of text, whole calls, then the finish reason. Usage is on every chunk.

    `place` is its index and the turn that has the usage of all. Line ends are CRLF.
    """
    index, whole = place
    pieces: list[JsonObject] = [{"text": word, "thought": True} for word in words(turn.reasoning)]
    pieces += [{"text": word} for word in words(turn.text)]
    pieces += call_parts(turn, seed)
    chunks = [{"candidates": [{"content": {"parts": [piece], "role": "model"}, "index": index}]} for piece in pieces]
    chunks.append({"candidates": [candidate(turn, [{"text": "", **text_signature(turn)}], index)]})
    for chunk in chunks:
        yield data_event({**chunk, **frame(call, whole, seed)}).replace(b"\n", b"\r\n")


def embeddings(call: Call) -> Answer:
    """One vector, or one for each request of a batch."""
    requests = call.body.get("requests")
    asked = requests if isinstance(requests, list) else [call.body]
    values = [
        {"values": vector(content_text(entry["content"]), entry.get("outputDimensionality") or DEFAULT_DIMENSIONS)}
        for entry in asked
    ]
    return Answer(json_reply({"embeddings": values} if isinstance(requests, list) else {"embedding": values[0]}))
