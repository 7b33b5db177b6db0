"""Answers in Cohere's own bytes, written after https://docs.cohere.com/v2/reference/chat: whole and streamed alike."""

import json

USAGE = {
    "billed_units": {"input_tokens": 9, "output_tokens": 7},
    "tokens": {"input_tokens": 20, "output_tokens": 9, "reasoning_tokens": 3},
    "cached_tokens": 4,
}
ERROR = {"id": "e-1", "message": "An internal error has occurred."}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def thinking(value: str) -> dict:
    return {"type": "thinking", "thinking": value}


def call(call_id: str | None, name: str, arguments: str) -> dict:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def cites(start: int, end: int, index: int | None, **source) -> dict:
    place = {} if index is None else {"content_index": index}
    return {"start": start, "end": end, "text": "x", "sources": [source], "type": "TEXT_CONTENT", **place}


def whole(
    *content: dict, plan: str = "", calls=(), citations=(), finish="COMPLETE", logprobs=None, usage=USAGE
) -> bytes:
    message: dict = {"role": "assistant"}
    if content:
        message["content"] = list(content)
    if plan:
        message["tool_plan"] = plan
    if calls:
        message["tool_calls"] = list(calls)
    if citations:
        message["citations"] = list(citations)
    answer = {"id": "answer-1", "message": message, "finish_reason": finish, "usage": usage}
    if logprobs is not None:
        answer["logprobs"] = logprobs
    return encode(answer)


def stream(
    *content: dict, plan: str = "", calls=(), citations=(), finish="COMPLETE", logprobs=None, usage=USAGE
) -> bytes:
    """The same answer in events; texts and arguments are cut in two, log probabilities come with one text."""
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    events = [{"id": "answer-1", "type": "message-start", "delta": {"message": empty}}]
    events += [event("tool-plan-delta", None, tool_plan=piece) for piece in halves(plan)]
    for index, block in enumerate(content):
        kind = block["type"]
        events.append(event("content-start", index, content={"type": kind, kind: ""}))
        if logprobs is not None:
            events += [
                {**event("content-delta", index, content={kind: piece["text"]}), "logprobs": piece}
                for piece in logprobs
            ]
        else:
            events += [event("content-delta", index, content={kind: piece}) for piece in halves(block[kind])]
        for number, citation in enumerate(citations):
            if citation.get("content_index", index) == index and kind == "text":
                events.append(event("citation-start", number, citations=citation))
                events.append({"type": "citation-end", "index": number})
        events.append({"type": "content-end", "index": index})
    for index, called in enumerate(calls):
        function = called["function"]
        start = {**called, "function": {"name": function["name"], "arguments": ""}}
        events.append(event("tool-call-start", index, tool_calls=start))
        if function["arguments"] != "{}":  # Cohere sends no delta for a call without arguments
            events += [
                event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})
                for piece in halves(function["arguments"])
            ]
        events.append({"type": "tool-call-end", "index": index})
    events.append({"type": "message-end", "delta": {"finish_reason": finish, "usage": usage}})
    return named(*events) + b"data: [DONE]\n\n"


def event(kind: str, index: int | None, **message: object) -> dict:
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


def halves(value: str) -> list[str]:
    middle = len(value) // 2
    return [piece for piece in (value[:middle], value[middle:]) if piece]


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def named(*events: dict) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (value["type"].encode(), encode(value)) for value in events)
