"""What chat completions, completions and embeddings in OpenAI's format mean."""

import base64
import struct
from collections.abc import Callable

import msgspec

from upstreams.readers.sse import Decoded, arguments, error_message
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import JsonObject

# Finish reasons of compatible servers that OpenAI does not have. The first two stand for a failed answer.
FAILED = frozenset({"error", "network_error"})
KNOWN = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class Pending:
    """One choice while its stream is read."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.refusal: str | None = None
        self.finish: str | None = None
        self.calls: list[JsonObject] = []
        self.cited: list[JsonObject] = []

    def add(self, delta: JsonObject) -> None:
        """Add a delta, or a whole message."""
        text, thought = content_of(delta.get("content"))
        self.text += text
        self.reasoning += thought + reasoning_of(delta)
        if delta.get("refusal"):
            self.refusal = (self.refusal or "") + str(delta["refusal"])
        for call in delta.get("tool_calls") or []:
            self._add_call(call)
        self.cited += [one for one in delta.get("annotations") or [] if one.get("type") == "url_citation"]

    def _add_call(self, call: JsonObject) -> None:
        custom = call.get("type") == "custom"
        function = call.get("custom" if custom else "function") or call.get("custom") or {}
        pending = self._pending_call(call, function)
        if function.get("name"):
            pending["name"] = function["name"]
        pending["arguments"] += function.get("arguments") or function.get("input") or ""
        pending["custom"] = pending["custom"] or custom

    def _pending_call(self, call: JsonObject, function: JsonObject) -> JsonObject:
        """The call that a delta continues: by index, else by id, else the last one unless a name opens a new one."""
        index, identity = call.get("index"), call.get("id") or None
        for known in self.calls:
            same_index = index is not None and known["index"] == index
            another = identity is not None and known["id"] not in (None, identity) and bool(function.get("name"))
            if (same_index and not another) or (index is None and identity is not None and known["id"] == identity):
                return known
        if index is None and identity is None and not function.get("name") and self.calls:
            return self.calls[-1]
        opened: JsonObject = {"index": index, "id": identity, "name": "", "arguments": "", "custom": False}
        self.calls.append(opened)
        return opened

    def reading(self) -> Reading:
        """The finished choice."""
        calls = tuple(
            ToolCall(call["name"], call["arguments"] if call["custom"] else arguments(call["arguments"]))
            for call in self.calls
        )
        return Reading(
            text=self.text,
            reasoning=self.reasoning,
            tool_calls=calls,
            finish=self.finish,
            refusal=self.refusal,
            citations=tuple(citation_of(one["url_citation"], self.text) for one in self.cited),
        )


def content_of(content: object) -> tuple[str, str]:
    """Text and thinking of a content, which some servers send as parts."""
    if isinstance(content, str):
        return content, ""
    text = thought = ""
    for part in content if isinstance(content, list) else []:
        if part.get("type") == "text":
            text += part["text"]
        elif part.get("type") == "thinking":
            thinking = part["thinking"]
            thought += thinking if isinstance(thinking, str) else content_of(thinking)[0]
    return text, thought


def reasoning_of(message: JsonObject) -> str:
    """The reasoning of a message or delta; the same words may stand in up to three places."""
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            return str(message[key])
    details = message.get("reasoning_details") or []
    return "".join(str(part.get("text") or part.get("summary") or "") for part in details)


def citation_of(cited: JsonObject, text: str) -> Citation:
    """A page and the characters of the text that cite it."""
    return Citation(cited["url"], cited.get("title") or "", text[cited["start_index"] : cited["end_index"]])


def sources_of(document: JsonObject) -> tuple[Citation, ...]:
    """The pages beside an answer, as Perplexity lists them: bare addresses, and the same with titles."""
    addresses = [Citation(url) for url in document.get("citations") or []]
    return (*addresses, *(Citation(one["url"], one["title"]) for one in document.get("search_results") or []))


def finish_of(value: object, *, called: bool) -> str:
    """A finish reason in OpenAI's terms; a choice that ends without one stopped, or called tools."""
    if value in KNOWN:
        return str(value)
    return "tool_calls" if called else "stop"


def usage_of(document: JsonObject) -> Usage | None:
    """The usage of a document, wherever the server puts it."""
    usage = document.get("usage") or (document.get("x_groq") or {}).get("usage")
    if not isinstance(usage, dict) or "prompt_tokens" not in usage:
        return None
    prompt_details = usage.get("prompt_tokens_details") or {}
    completion_details = usage.get("completion_tokens_details") or {}
    cached = prompt_details.get("cached_tokens")
    prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens", 0)
    # xAI and Google's OpenAI-format endpoint have reasoning beside the completion, as their totals say.
    beside = (usage.get("total_tokens") or 0) - prompt - completion
    if completion and beside > 0 and completion_details.get("reasoning_tokens") in {None, beside}:
        completion += beside
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=usage.get("prompt_cache_hit_tokens") if cached is None else cached,
        cache_write=prompt_details.get("cache_write_tokens"),
        reasoning=completion_details.get("reasoning_tokens"),
    )


def failure(status: int, document: JsonObject) -> Reading | None:
    """The reading of an error body, or of an error event in a stream."""
    if status < 400 and not document.get("error"):
        return None
    return Reading(error=ReadError(status, error_message(document)))


def read_chat(status: int, decoded: Decoded) -> Reading:
    """A chat completion or its chunks. Text before an error in the stream is kept."""
    return read_choices(status, decoded, lambda choice: chat_delta(choice, streamed=decoded.streamed))


def read_completion(status: int, decoded: Decoded) -> Reading:
    """A legacy completion or its chunks."""
    return read_choices(status, decoded, lambda choice: {"content": choice.get("text")})


def chat_delta(choice: JsonObject, *, streamed: bool) -> JsonObject:
    """The delta of a chunk's choice or the message of a whole one; Perplexity sends both in each."""
    wanted, other = ("delta", "message") if streamed else ("message", "delta")
    return choice.get(wanted) or choice.get(other) or {}


def read_choices(status: int, decoded: Decoded, delta_of: Callable[[JsonObject], JsonObject]) -> Reading:
    """All choices of an answer; the last usage wins, and at the end mark every choice has finished."""
    pending: dict[int, Pending] = {}
    usage: Usage | None = None
    error: ReadError | None = None
    sources: tuple[Citation, ...] = ()
    for document in decoded.documents:
        failed = failure(status, document)
        error = failed.error if failed is not None else error
        usage = usage_of(document) or usage
        sources = sources_of(document) or sources
        for choice in document.get("choices") or []:
            one = pending.setdefault(choice.get("index") or 0, Pending())
            one.add(delta_of(choice))
            reason = choice.get("finish_reason")
            if reason in FAILED:
                error = ReadError(status, error_message(choice))
            elif reason or not decoded.streamed:
                one.finish = finish_of(reason, called=bool(one.calls))
    for one in pending.values() if decoded.done and error is None else ():
        one.finish = one.finish or finish_of(None, called=bool(one.calls))
    readings = [pending[index].reading() for index in sorted(pending)] or [Reading()]
    others = tuple(readings[1:])
    return msgspec.structs.replace(readings[0], usage=usage, error=error, sources=sources, others=others)


def read_embeddings(status: int, decoded: Decoded) -> Reading:
    """Vectors in the order of their index, from numbers or from base64 of 32-bit floats."""
    document = decoded.documents[0]
    failed = failure(status, document)
    if failed is not None:
        return failed
    entries = sorted(document["data"], key=lambda entry: entry["index"])
    vectors = tuple(tuple(vector_of(entry["embedding"])) for entry in entries)
    return Reading(vectors=vectors, usage=usage_of(document))


def vector_of(embedding: list[float] | str) -> list[float]:
    """Numbers of one embedding."""
    if isinstance(embedding, str):
        packed = base64.b64decode(embedding)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    return embedding
