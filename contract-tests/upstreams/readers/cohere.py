"""What Cohere's chats (API v2), their streams and its embeddings mean."""

from upstreams.readers.sse import Decoded, arguments, error_message
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import Json, JsonObject

FAILED = frozenset({"ERROR", "TIMEOUT"})


def read(status: int, decoded: Decoded) -> Reading:
    """A chat answer, or the events of its stream."""
    if status >= 400:
        return Reading(error=ReadError(status, error_message(decoded.documents[0])))
    answer = gather(decoded.documents) if decoded.streamed else decoded.documents[0]
    message, reason = answer.get("message"), answer.get("finish_reason")
    if not isinstance(message, dict) or reason in FAILED:
        return Reading(error=ReadError(status, error_message(answer) or str(reason)))
    blocks = message.get("content") or []
    calls = tuple(
        ToolCall(called["function"]["name"], arguments(called["function"].get("arguments") or ""))
        for called in message.get("tool_calls") or []
    )
    return Reading(
        text="".join(block.get("text") or "" for block in blocks),
        reasoning=(message.get("tool_plan") or "") + "".join(block.get("thinking") or "" for block in blocks),
        tool_calls=calls,
        finish=finish_of(reason, called=bool(calls)),
        usage=usage_of(answer.get("usage") or {}),
        citations=tuple(page for cited in message.get("citations") or [] for page in pages_of(cited)),
    )


def pages_of(cited: JsonObject) -> list[Citation]:
    """The web pages behind one stretch of the answer; other documents and results of tools have no address."""
    found: list[Citation] = []
    for source in cited["sources"] if cited.get("type") == "TEXT_CONTENT" else []:
        held = source.get("document") or source.get("tool_output") or {}
        page = Citation(held.get("url") or source["id"], held.get("title") or "", cited["text"])
        if page.url.startswith("http") and page not in found:
            found.append(page)
    return found


def gather(events: list[JsonObject]) -> JsonObject:
    """The whole answer that a stream spells out, in the form of an unstreamed one."""
    blocks: dict[int, JsonObject] = {}
    calls: dict[int, JsonObject] = {}
    answer: JsonObject = {"message": {"tool_plan": ""}}
    for event in events:
        kind, index = event.get("type"), event.get("index") or 0
        delta = event.get("delta") or {}
        message = delta.get("message") or {}
        if kind in {"content-start", "content-delta"}:
            block = blocks.setdefault(index, {})
            for name in ("text", "thinking"):
                block[name] = block.get(name, "") + (message["content"].get(name) or "")
        elif kind == "tool-plan-delta":
            answer["message"]["tool_plan"] += message["tool_plan"]
        elif kind == "tool-call-start":
            calls[index] = message["tool_calls"]
        elif kind == "tool-call-delta":
            calls[index]["function"]["arguments"] += message["tool_calls"]["function"]["arguments"]
        elif kind == "message-end":
            answer |= {"finish_reason": delta.get("finish_reason"), "usage": delta.get("usage")}
        elif kind is None:
            return event
    answer["message"]["content"] = [blocks[index] for index in sorted(blocks)]
    starts = [event for event in events if event.get("type") == "citation-start"]
    answer["message"]["citations"] = [event["delta"]["message"]["citations"] for event in starts]
    answer["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
    return answer


def finish_of(reason: Json, *, called: bool) -> str | None:
    """Cohere's finish reason in OpenAI's terms."""
    if reason is None:
        return None
    if reason == "MAX_TOKENS":
        return "length"
    return "tool_calls" if called else "stop"


def usage_of(counts: JsonObject) -> Usage | None:
    """Counts in OpenAI's terms: what the model read, images beside the text, and not what is billed."""
    tokens = counts.get("tokens")
    if not tokens:
        return None
    return Usage(
        prompt=whole(tokens["input_tokens"]) + whole(tokens.get("image_tokens") or 0),
        completion=whole(tokens["output_tokens"]),
        cached=counts.get("cached_tokens"),
        reasoning=tokens.get("reasoning_tokens"),
    )


def whole(count: float) -> int:
    """A count as the integer that it is: the API's types are floating-point numbers."""
    if count != int(count):
        raise ValueError(f"{count} is no number of tokens")
    return int(count)


def read_embeddings(status: int, decoded: Decoded) -> Reading:
    """The vectors of an embed answer; only billed tokens are reported there."""
    document = decoded.documents[0]
    if status >= 400:
        return Reading(error=ReadError(status, error_message(document)))
    billed = document["meta"]["billed_units"]
    usage = Usage(prompt=whole(billed["input_tokens"])) if "input_tokens" in billed else None
    return Reading(vectors=tuple(tuple(vector) for vector in document["embeddings"]["float"]), usage=usage)
