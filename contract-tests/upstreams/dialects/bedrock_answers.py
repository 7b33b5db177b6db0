"""Live answers of Converse, of the embedding models and of both lists; it must not know credentials or routing."""

import json
from collections.abc import Iterator

import msgspec

from upstreams import live
from upstreams.aws_frames import frame
from upstreams.dialects.base import Answer, Call
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, vector, words
from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import frames_reply, json_reply

SIGNATURE = "bW9jay1zaWduYXR1cmU="
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "guardrail_intervened",
}


def block_text(block: JsonObject) -> str:
    """The text of one block; calls and their results count as their JSON."""
    if "toolResult" in block:
        return "".join(block_text(part) for part in block["toolResult"]["content"])
    if "toolUse" in block:
        return str(block["toolUse"]["name"]) + json.dumps(block["toolUse"]["input"])
    return json.dumps(block["json"]) if "json" in block else str(block.get("text") or "")


def prompt_of(body: JsonObject) -> str:
    """Everything that counts as prompt."""
    blocks = [*(body.get("system") or []), *(block for turn in body["messages"] for block in turn["content"])]
    return "".join(map(block_text, blocks))


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    results = [block for block in body["messages"][-1]["content"] if "toolResult" in block]
    users = [text for turn in body["messages"] if turn["role"] == "user" and (text := user_text(turn))]
    tools = body.get("toolConfig") or {}
    extra = body.get("additionalModelRequestFields") or {}
    thinking = extra.get("thinking") or extra.get("reasoning_config") or {}
    return Ask(
        text=users[-1] if users else "",
        prompt=prompt_of(body),
        tools=tuple(
            Tool(tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"])
            for tool in tools.get("tools") or []
            if "toolSpec" in tool
        ),
        choice=choice_of(tools.get("toolChoice") or {}),
        parallel=not (extra.get("tool_choice") or {}).get("disable_parallel_tool_use"),
        tool_result="".join(map(block_text, results)) if results else None,
        schema=schema_of(body),
        max_tokens=(body.get("inferenceConfig") or {}).get("maxTokens"),
        reasoning=thinking.get("type") in ("enabled", "adaptive"),
    )


def user_text(turn: JsonObject) -> str:
    """Text blocks of a user's turn, without tool results."""
    return "".join(str(block["text"]) for block in turn["content"] if "text" in block)


def choice_of(choice: JsonObject) -> str:
    """auto, required or a tool's name."""
    if "tool" in choice:
        return str(choice["tool"]["name"])
    return "required" if "any" in choice else "auto"


def schema_of(body: JsonObject) -> JsonObject | None:
    """The schema of a structured output, which travels as a JSON text."""
    form = (body.get("outputConfig") or {}).get("textFormat")
    if not form:
        return None
    decoded: JsonObject = json.loads(form["structure"]["jsonSchema"]["schema"])
    return decoded


def usage_of(turn: Turn) -> JsonObject:
    """Converse's usage: its input excludes what the cache gave and took, its total does not."""
    prompt, completion, cached = turn.usage.prompt or 0, turn.usage.completion or 0, turn.usage.cached or 0
    written = turn.usage.cache_write or 0
    lifetimes = {"5m": written - turn.written_1h, "1h": turn.written_1h}
    details = [{"ttl": ttl, "inputTokens": count} for ttl, count in lifetimes.items() if count]
    return {
        "inputTokens": prompt - cached - written,
        "outputTokens": completion,
        "totalTokens": prompt + completion,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": written,
        **({"cacheDetails": details} if details else {}),
    }


def reported(turn: Turn) -> Usage:
    """The usage in OpenAI's terms, as a reader should find it: reasoning is not counted apart."""
    return msgspec.structs.replace(turn.usage, cache_write=turn.usage.cache_write or 0, reasoning=None)


def blocks_of(turn: Turn, seed: str) -> list[JsonObject]:
    """Content blocks: reasoning first, then text, then calls."""
    blocks: list[JsonObject] = []
    if turn.reasoning:
        blocks.append({"reasoningContent": {"reasoningText": {"text": turn.reasoning, "signature": SIGNATURE}}})
    if turn.text or turn.refusal:
        blocks.append({"text": turn.text or turn.refusal})
    for position, call in enumerate(turn.calls):
        identity = stable_id("tooluse_", f"{seed}/{position}", 22)
        blocks.append({"toolUse": {"toolUseId": identity, "name": call.name, "input": call.arguments}})
    return blocks


def converse(call: Call) -> Answer:
    """An answer, whole or streamed."""
    ask = ask_of(call.body)
    turn = live.turn(ask)
    headers = (("x-amzn-requestid", stable_id("", ask.prompt)),)
    if call.streamed:
        return Answer(frames_reply(tuple(frames(turn, ask.prompt)), headers), reported(turn))
    document = {
        "metrics": {"latencyMs": 5},
        "output": {"message": {"role": "assistant", "content": blocks_of(turn, ask.prompt)}},
        "stopReason": STOP_REASONS[turn.finish],
        "usage": usage_of(turn),
    }
    return Answer(json_reply(document, headers=headers), reported(turn))


DIMENSIONS = 8
MODELS = (
    ("amazon.titan-embed-text-v2:0", "EMBEDDING", "ON_DEMAND"),
    ("amazon.nova-canvas-v1:0", "IMAGE", "ON_DEMAND"),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "TEXT", "INFERENCE_PROFILE"),
    ("amazon.nova-lite-v1:0", "TEXT", "ON_DEMAND"),
)
PROFILES = ("anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-canvas-v1:0", "amazon.nova-lite-v1:0")


def models() -> Answer:
    """Foundation models of every kind."""
    listed = [
        {"modelId": name, "outputModalities": [kind], "inferenceTypesSupported": [way]} for name, kind, way in MODELS
    ]
    return Answer(json_reply({"modelSummaries": listed}))


def profiles(query: dict[str, list[str]]) -> Answer:
    """The profiles, one on each page."""
    page = int(query.get("nextToken", ["0"])[0].removeprefix("page/"))
    arn = f"arn:aws:bedrock:eu-west-1::foundation-model/{PROFILES[page]}"
    one = {"inferenceProfileId": f"eu.{PROFILES[page]}", "type": "SYSTEM_DEFINED", "models": [{"modelArn": arn}]}
    document: JsonObject = {"inferenceProfileSummaries": [one]}
    if page + 1 < len(PROFILES):
        document["nextToken"] = f"page/{page + 1}"
    return Answer(json_reply(document))


def embeddings(call: Call) -> Answer:
    """Titan's one vector with its tokens, or Cohere's vectors, whose tokens only a header counts."""
    if "inputText" in call.body:
        text = call.body["inputText"]
        found = vector(text, call.body.get("dimensions") or DIMENSIONS)
        document = {"embedding": found, "embeddingsByType": {"float": found}, "inputTextTokenCount": tokens(text)}
        return Answer(json_reply(document), Usage(prompt=tokens(text)))
    given = call.body["texts"]
    vectors = [vector(text, call.body.get("output_dimension") or DIMENSIONS) for text in given]
    later = "embed-v4" in call.model
    document = {
        "id": "mock",
        "texts": given,
        "response_type": "embeddings_by_type" if later else "embeddings_floats",
        "embeddings": {"float": vectors} if later else vectors,
    }
    count = sum(map(tokens, given))
    return Answer(
        json_reply(document, headers=(("x-amzn-bedrock-input-token-count", str(count)),)), Usage(prompt=count)
    )


def frames(turn: Turn, seed: str) -> Iterator[bytes]:
    """The messages of a streamed answer."""
    yield frame("messageStart", {"role": "assistant", "p": "abcdef"})
    for index, block in enumerate(blocks_of(turn, seed)):
        if "toolUse" in block:
            opened = {name: value for name, value in block["toolUse"].items() if name != "input"}
            yield frame("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": opened}})
        for delta in deltas(block):
            yield frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"})
        yield frame("contentBlockStop", {"contentBlockIndex": index})
    yield frame("messageStop", {"stopReason": STOP_REASONS[turn.finish]})
    yield frame("metadata", {"usage": usage_of(turn), "metrics": {"latencyMs": 5}})


def deltas(block: JsonObject) -> Iterator[JsonObject]:
    """The deltas that fill a block."""
    if "reasoningContent" in block:
        given = block["reasoningContent"]["reasoningText"]
        yield from ({"reasoningContent": {"text": word}} for word in words(given["text"]))
        yield {"reasoningContent": {"signature": given["signature"]}}
    elif "toolUse" in block:
        pieces = live.fragments(json.dumps(block["toolUse"]["input"], ensure_ascii=False))
        yield from ({"toolUse": {"input": piece}} for piece in pieces)
    else:
        yield from ({"text": word} for word in words(block["text"]))
