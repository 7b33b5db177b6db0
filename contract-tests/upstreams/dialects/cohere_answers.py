"""Live answers in the wire format of Cohere's API v2; it must not know credentials or routing."""

import json
from collections.abc import Iterator

from upstreams import live
from upstreams.dialects.base import Answer, Call
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, vector, words
from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import data_event, json_reply, sse_reply

FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "COMPLETE"}
CHOICES = {"REQUIRED": "required", "NONE": "none"}
DEFAULT_DIMENSIONS = 8
DONE = b"data: [DONE]\n\n"


def text_of(content: object) -> str:
    """The text of a message's content: a string, or its text and documents in order."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or part.get("document", {}).get("data", "") or "") for part in content)
    return content if isinstance(content, str) else ""


def prompt_of(message: JsonObject) -> str:
    """Everything in a message that counts as prompt."""
    return text_of(message.get("content")) + "".join(str(one["function"]) for one in message.get("tool_calls") or [])


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    messages = body["messages"]
    users = [text_of(message.get("content")) for message in messages if message["role"] == "user"]
    tools = [tool["function"] for tool in body.get("tools") or []]
    choice = CHOICES.get(str(body.get("tool_choice")), "auto")
    form = body.get("response_format") or {}
    return Ask(
        text=users[-1] if users else "",
        prompt="".join(map(prompt_of, messages)),
        tools=tuple(Tool(tool["name"], tool["parameters"]) for tool in tools),
        choice=choice,
        tool_result=text_of(messages[-1].get("content")) if messages[-1]["role"] == "tool" else None,
        schema=form.get("json_schema"),
        json_object=form.get("type") == "json_object",
        max_tokens=body.get("max_tokens"),
        reasoning=(body.get("thinking") or {}).get("type") == "enabled",
    )


def usage_of(turn: Turn) -> JsonObject:
    """Cohere's two counts; what is billed is less than what was read."""
    counts: JsonObject = {"input_tokens": turn.usage.prompt, "output_tokens": turn.usage.completion}
    if turn.usage.reasoning:
        counts["reasoning_tokens"] = turn.usage.reasoning
    return {
        "billed_units": {"input_tokens": 1, "output_tokens": 1},
        "tokens": counts,
        "cached_tokens": turn.usage.cached,
    }


def reported(turn: Turn) -> Usage:
    """The usage in OpenAI's terms, as a reader should find it."""
    usage = turn.usage
    return Usage(
        prompt=usage.prompt, completion=usage.completion, cached=usage.cached, reasoning=usage.reasoning or None
    )


def message_of(turn: Turn, seed: str) -> JsonObject:
    """The assistant's message: thinking and text as blocks, calls beside them."""
    blocks: list[JsonObject] = [{"type": "thinking", "thinking": turn.reasoning}] if turn.reasoning else []
    if turn.text or turn.refusal:
        blocks.append({"type": "text", "text": turn.text or turn.refusal})
    message: JsonObject = {"role": "assistant"}
    if blocks:
        message["content"] = blocks
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": stable_id(f"{call.name}_", f"{seed}/{position}", 12),
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for position, call in enumerate(turn.calls)
        ]
    return message


def chat(call: Call) -> Answer:
    """A chat, whole or streamed."""
    ask = ask_of(call.body)
    turn = live.turn(ask)
    identity = stable_id("", ask.prompt, 36)
    message = message_of(turn, ask.prompt)
    end = {"finish_reason": FINISH[turn.finish], "usage": usage_of(turn)}
    if call.streamed:
        named = (data_event(event, event["type"]) for event in events(message, end, identity))
        return Answer(sse_reply((*named, DONE)), reported(turn))
    return Answer(json_reply({"id": identity, "message": message, **end}), reported(turn))


def events(message: JsonObject, end: JsonObject, identity: str) -> Iterator[JsonObject]:
    """The events of a streamed chat."""
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": identity, "type": "message-start", "delta": {"message": empty}}
    for index, block in enumerate(message.get("content") or []):
        kind = block["type"]
        yield event("content-start", index, content={"type": kind, kind: ""})
        for word in words(block[kind]):
            yield event("content-delta", index, content={kind: word})
        yield {"type": "content-end", "index": index}
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        yield event("tool-call-start", index, tool_calls={**call, "function": {**function, "arguments": ""}})
        for piece in live.fragments(function["arguments"]):
            yield event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})
        yield {"type": "tool-call-end", "index": index}
    yield {"type": "message-end", "delta": end}


def event(kind: str, index: int, **message: object) -> JsonObject:
    """One event that adds to the message."""
    return {"type": kind, "index": index, "delta": {"message": message}}


def embeddings(call: Call) -> Answer:
    """One vector for each text; only billed tokens are reported."""
    given = call.body["texts"]
    dimensions = call.body.get("output_dimension") or DEFAULT_DIMENSIONS
    count = sum(map(tokens, given))
    document = {
        "id": "mock",
        "texts": given,
        "embeddings": {"float": [vector(text, dimensions) for text in given]},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": count}},
        "response_type": "embeddings_by_type",
    }
    return Answer(json_reply(document), Usage(prompt=count))


def ranking(call: Call) -> Answer:
    """The documents by how many words of the query they have; only search units are counted."""
    results = live.ranked(call.body["query"], call.body["documents"])[: call.body.get("top_n")]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return Answer(json_reply({"id": "mock", "results": results, "meta": meta}))
