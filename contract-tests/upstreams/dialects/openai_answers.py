"""Live answers in OpenAI's wire format; it must not know credentials or routing."""

import base64
import json
import struct
from collections.abc import Iterator

import msgspec

from upstreams import live
from upstreams.dialects.base import Answer, Call
from upstreams.live import Ask, Tool, Turn, stable_id, tokens, vector, words
from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import data_event, json_reply, sse_reply

CREATED = 1_700_000_000
DEFAULT_DIMENSIONS = 8
DONE = b"data: [DONE]\n\n"


def answer(call: Call, *, reasons: bool = False) -> Answer:
    """Answer a checked request; `reasons` sends the reasoning."""
    match call.operation:
        case "chat.completions":
            return chat(call, reasons=reasons)
        case "completions":
            return completion(call)
        case "rerank":
            return ranking(call)
        case _:
            return embeddings(call)


def text_of(content: object) -> str:
    """The text of a message's content: a string, or its text parts in order."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or part.get("refusal") or "") for part in content)
    return ""


def prompt_of(message: JsonObject) -> str:
    """Everything in a message that counts as prompt: its text and the arguments of its calls."""
    calls = message.get("tool_calls") or []
    arguments = "".join(str(call.get("function") or call.get("custom") or {}) for call in calls)
    return text_of(message.get("content")) + arguments


def ask_of(body: JsonObject) -> Ask:
    """The neutral question."""
    messages = body["messages"]
    users = [message for message in messages if message["role"] == "user"]
    response_format = body.get("response_format") or {}
    effort = body.get("reasoning_effort")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return Ask(
        text=text_of(users[-1].get("content")) if users else "",
        prompt="".join(map(prompt_of, messages)),
        tools=tuple(tool_of(tool) for tool in body.get("tools") or [] if tool["type"] == "function"),
        choice=choice_of(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        tool_result=text_of(messages[-1].get("content")) if messages[-1]["role"] == "tool" else None,
        schema=(response_format.get("json_schema") or {}).get("schema"),
        json_object=response_format.get("type") == "json_object",
        max_tokens=limit,
        reasoning=effort not in (None, "none"),
    )


def tool_of(tool: JsonObject) -> Tool:
    """A function tool; without parameters it takes none."""
    return Tool(tool["function"]["name"], tool["function"].get("parameters") or {"type": "object"})


def choice_of(choice: object) -> str:
    """auto, none, required or a function's name."""
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            return str(choice["allowed_tools"]["mode"])
        return str((choice.get("function") or choice["custom"])["name"])
    return str(choice or "auto")


def usage_of(usage: Usage) -> JsonObject:
    """OpenAI's usage object."""
    prompt, completion = usage.prompt or 0, usage.completion or 0
    written: JsonObject = {} if usage.cache_write is None else {"cache_write_tokens": usage.cache_write}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached or 0, "audio_tokens": 0, **written},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning or 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def total_usage(turns: list[Turn]) -> Usage:
    """Usage of all choices of a request: one prompt, every completion."""
    first = turns[0].usage
    return Usage(
        prompt=first.prompt,
        completion=sum(turn.usage.completion or 0 for turn in turns),
        cached=first.cached,
        cache_write=first.cache_write,
        reasoning=sum(turn.usage.reasoning or 0 for turn in turns),
    )


def tool_calls_of(turn: Turn, seed: str) -> list[JsonObject]:
    """The calls as OpenAI writes them: arguments are JSON text."""
    return [
        {
            "id": stable_id("call_", f"{seed}/{position}"),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }
        for position, call in enumerate(turn.calls)
    ]


def finish_of(turn: Turn) -> str:
    """OpenAI refuses with a stop."""
    return "stop" if turn.refusal is not None else turn.finish


def chat(call: Call, *, reasons: bool = False) -> Answer:
    """A chat completion, whole or streamed."""
    ask = ask_of(call.body)
    turns = [live.turn(ask, position) for position in range(call.body.get("n") or 1)]
    usage = total_usage(turns)
    if not reasons:
        turns = [msgspec.structs.replace(turn, reasoning="") for turn in turns]
    head: JsonObject = {"id": stable_id("chatcmpl-", ask.prompt), "created": CREATED, "model": call.model}
    if call.streamed:
        return Answer(sse_reply(tuple(chat_events(call, turns, head, usage))), usage)
    choices = [
        {
            "index": position,
            "message": message_of(turn, f"{ask.prompt}{position}"),
            "logprobs": None,
            "finish_reason": finish_of(turn),
        }
        for position, turn in enumerate(turns)
    ]
    document = {**head, "object": "chat.completion", "choices": choices, "usage": usage_of(usage)}
    return Answer(json_reply({**document, "service_tier": "default", "system_fingerprint": "fp_mock"}), usage)


def message_of(turn: Turn, seed: str) -> JsonObject:
    """The assistant's message; the keys that OpenAI always sends are there."""
    message: JsonObject = {
        "role": "assistant",
        "content": None if turn.calls or turn.refusal is not None else turn.text,
        "refusal": turn.refusal,
        "annotations": [],
    }
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = tool_calls_of(turn, seed)
    return message


def chat_events(call: Call, turns: list[Turn], head: JsonObject, usage: Usage) -> Iterator[bytes]:
    """The chunks of every choice, then the usage if asked for, then the end mark."""
    with_usage = (call.body.get("stream_options") or {}).get("include_usage") is True
    frame: JsonObject = {**head, "object": "chat.completion.chunk", "system_fingerprint": "fp_mock"}
    tail: JsonObject = {"usage": None} if with_usage else {}
    for position, turn in enumerate(turns):
        for delta, finish in deltas(turn, f"{head['id']}{position}"):
            choice = {"index": position, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield data_event({**frame, "choices": [choice], **tail})
    if with_usage:
        yield data_event({**frame, "choices": [], "usage": usage_of(usage)})
    yield DONE


def deltas(turn: Turn, seed: str) -> Iterator[tuple[JsonObject, str | None]]:
    """Deltas of one choice with their finish reason."""
    yield {"role": "assistant", "content": None if turn.calls else "", "refusal": None}, None
    for word in words(turn.reasoning):
        yield {"reasoning_content": word}, None
    for word in words(turn.text):
        yield {"content": word}, None
    for word in words(turn.refusal or ""):
        yield {"refusal": word}, None
    for position, call in enumerate(tool_calls_of(turn, seed)):
        function = call["function"]
        opening = {**call, "index": position, "function": {"name": function["name"], "arguments": ""}}
        yield {"tool_calls": [opening]}, None
        for piece in live.fragments(function["arguments"]):
            yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}, None
    yield {}, finish_of(turn)


def completion(call: Call) -> Answer:
    """A legacy completion of each prompt, whole or streamed."""
    body = call.body
    prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    texts = [prompt if isinstance(prompt, str) else json.dumps(prompt) for prompt in prompts]
    limit = body.get("max_tokens", 16)
    turns = [
        live.turn(Ask(text=text, prompt=text, max_tokens=limit), position)
        for text in texts
        for position in range(body.get("n") or 1)
    ]
    usage = Usage(prompt=sum(map(tokens, texts)), completion=sum(turn.usage.completion or 0 for turn in turns))
    counts = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": (usage.prompt or 0) + (usage.completion or 0),
    }
    head: JsonObject = {
        "id": stable_id("cmpl-", "".join(texts)),
        "object": "text_completion",
        "created": CREATED,
        "model": call.model,
    }
    if call.streamed:
        return Answer(sse_reply(tuple(completion_events(call, turns, head, counts))), usage)
    choices = [
        {"text": turn.text, "index": position, "logprobs": None, "finish_reason": turn.finish}
        for position, turn in enumerate(turns)
    ]
    return Answer(json_reply({**head, "choices": choices, "usage": counts}), usage)


def completion_events(call: Call, turns: list[Turn], head: JsonObject, counts: JsonObject) -> Iterator[bytes]:
    """Text pieces of every choice; the last one carries the finish reason."""
    with_usage = (call.body.get("stream_options") or {}).get("include_usage") is True
    tail: JsonObject = {"usage": None} if with_usage else {}
    for position, turn in enumerate(turns):
        for word in words(turn.text):
            choice = {"text": word, "index": position, "logprobs": None, "finish_reason": None}
            yield data_event({**head, "choices": [choice], **tail})
        choice = {"text": "", "index": position, "logprobs": None, "finish_reason": turn.finish}
        yield data_event({**head, "choices": [choice], **tail})
    if with_usage:
        yield data_event({**head, "choices": [], "usage": counts})
    yield DONE


def embeddings(call: Call) -> Answer:
    """One vector for each input, as floats or as base64 of little-endian 32-bit floats."""
    body = call.body
    given = body["input"]
    single = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in ([given] if single else given)]
    dimensions = body.get("dimensions") or DEFAULT_DIMENSIONS
    data = [
        {"object": "embedding", "index": position, "embedding": encoded(vector(text, dimensions), body)}
        for position, text in enumerate(texts)
    ]
    usage = Usage(prompt=sum(map(tokens, texts)), completion=0)
    counts = {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt}
    return Answer(json_reply({"object": "list", "data": data, "model": call.model, "usage": counts}), usage)


def ranking(call: Call) -> Answer:
    """The documents by how many words of the query they have, as servers beside OpenAI do it."""
    given = call.body["documents"]
    results = live.ranked(call.body["query"], given)[: call.body.get("top_n")]
    usage = Usage(prompt=sum(map(tokens, given)), completion=0)
    counts = {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt}
    return Answer(json_reply({"id": "mock", "model": call.model, "results": results, "usage": counts}), usage)


def encoded(values: list[float], body: JsonObject) -> list[float] | str:
    """The vector in the form that was asked for."""
    if body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    return values
