"""What the Gemini API's contents, their streams and its embeddings mean."""

from upstreams.readers.sse import Decoded, error_message
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import JsonObject

# Vertex may answer with the enum's numbers.
NUMBERED = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "BLOCKLIST",
    7: "PROHIBITED_CONTENT",
    8: "SPII",
    9: "MALFORMED_FUNCTION_CALL",
}
FILTERED = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "NO_IMAGE",
        "OTHER",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)


def read(status: int, decoded: Decoded) -> Reading:
    """A generated content, or the chunks of its stream."""
    error: ReadError | None = None
    parts: dict[int, list[JsonObject]] = {}
    reasons: dict[int, str] = {}
    usage: Usage | None = None
    pages: tuple[Citation, ...] = ()
    refusal: str | None = None
    for document in decoded.documents:
        if status >= 400 or document.get("error"):
            error = ReadError(status, error_message(document))
        usage = usage_of(document.get("usageMetadata") or {}) or usage
        blocked = document.get("promptFeedback") or {}
        if blocked.get("blockReason"):
            reasons[0] = "SAFETY"
            refusal = (
                blocked.get("blockReasonMessage") or f"The provider blocked the prompt ({blocked['blockReason']})."
            )
        for candidate in document.get("candidates") or []:
            index = candidate.get("index") or 0
            parts.setdefault(index, []).extend((candidate.get("content") or {}).get("parts") or [])
            pages = pages_of(candidate) if index == 0 and "groundingMetadata" in candidate else pages
            refusal = candidate.get("finishMessage") or refusal
            if candidate.get("finishReason"):
                reasons[index] = str(NUMBERED.get(candidate["finishReason"], candidate["finishReason"]))
    readings = [read_candidate(parts.get(index, []), reasons.get(index)) for index in sorted({0, *parts})]
    first = readings[0]
    if reasons.get(0) in FAILED:
        error = ReadError(status, reasons[0])
    return Reading(
        text=first.text,
        reasoning=first.reasoning,
        tool_calls=first.tool_calls,
        finish=None if error else first.finish,
        usage=usage,
        refusal=refusal if first.finish == "content_filter" else None,
        error=error,
        citations=pages,
        others=tuple(readings[1:]),
    )


def pages_of(candidate: JsonObject) -> tuple[Citation, ...]:
    """The pages behind each stretch of the text, or behind all of it where no stretch is named."""
    metadata = candidate["groundingMetadata"]
    kinds = ("web", "retrievedContext", "maps")
    chunks = [
        next((chunk[kind] for kind in kinds if kind in chunk), {}) for chunk in metadata.get("groundingChunks", ())
    ]
    supports = metadata.get("groundingSupports") or [{"groundingChunkIndices": range(len(chunks))}]
    cited = [(chunks[number], one.get("segment", {})) for one in supports for number in one["groundingChunkIndices"]]
    return tuple(
        Citation(page["uri"], page.get("title", ""), at.get("text", "")) for page, at in cited if "uri" in page
    )


def read_candidate(parts: list[JsonObject], reason: str | None) -> Reading:
    """The meaning of one candidate; code that Google ran itself is not part of the answer."""
    calls = tuple(
        ToolCall(part["functionCall"]["name"], part["functionCall"].get("args") or {})
        for part in parts
        if part.get("functionCall")
    )
    return Reading(
        text="".join(part.get("text") or "" for part in parts if not part.get("thought")),
        reasoning="".join(part.get("text") or "" for part in parts if part.get("thought")),
        tool_calls=calls,
        finish=finish_of(reason, called=bool(calls)),
    )


def finish_of(reason: str | None, *, called: bool) -> str | None:
    """Google's finish reason in OpenAI's terms."""
    if reason is None:
        return None
    if reason == "MAX_TOKENS":
        return "length"
    if reason in FILTERED:
        return "content_filter"
    return "tool_calls" if called else "stop"


def usage_of(counts: JsonObject) -> Usage | None:
    """Counts in OpenAI's terms: thoughts are part of the completion, tools' results part of the prompt."""
    if "promptTokenCount" not in counts:
        return None
    answer, thoughts = counts.get("candidatesTokenCount") or 0, counts.get("thoughtsTokenCount")
    return Usage(
        prompt=counts["promptTokenCount"] + (counts.get("toolUsePromptTokenCount") or 0),
        completion=answer + (thoughts or 0),
        cached=counts.get("cachedContentTokenCount"),
        reasoning=thoughts,
    )


def read_embeddings(status: int, decoded: Decoded) -> Reading:
    """One vector, or those of a batch."""
    document = decoded.documents[0]
    if status >= 400:
        return Reading(error=ReadError(status, error_message(document)))
    entries = document["embeddings"] if "embeddings" in document else [document["embedding"]]
    usage = usage_of(document.get("usageMetadata") or {})
    return Reading(vectors=tuple(tuple(entry["values"]) for entry in entries), usage=usage)
