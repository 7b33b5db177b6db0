"""What an answer's blocks mean to a client: reasoning, citations, calls, the end; shared by whole and streamed answers.

Knows no request and no stream.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from adapters.anthropic.reasoning import FORMAT
from adapters.counts import note_unmapped
from adapters.errors import UNREADABLE, bad_response
from schemas.anthropic.response import Citation, ContentBlock, StopDetails, ToolBlock, TypeOnly
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import Annotation, FinishReason, URLCitation

WireT = TypeVar("WireT")
_BLOCK: Final = msgspec.json.Decoder(ContentBlock)
_TOOL_BLOCK: Final = msgspec.json.Decoder(ToolBlock)
_CITATION: Final = msgspec.json.Decoder(Citation)
_ENCODER: Final = msgspec.json.Encoder()
_TYPE: Final = msgspec.json.Decoder(TypeOnly)
_READ: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "compaction": "length",
    "refusal": "content_filter",
}
_REFUSAL: Final = "The model declined to answer."


def decode_known(data: Raw | bytes, decoder: msgspec.json.Decoder[WireT], known: frozenset[str]) -> WireT | None:
    """Decode by shape; None for a thing of an unknown type with a shape of its own; raises `BAD_RESPONSE`."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        try:
            kind = _TYPE.decode(data).type
        except UNREADABLE:
            raise bad_response() from None
        if not kind or kind in known:
            raise bad_response() from None
        return None
    except UNREADABLE:
        raise bad_response() from None


def decode_block(raw: Raw | UnsetType) -> ContentBlock | None:
    """Return a block that clients shall see; None for the provider's own tools and for what is not known yet."""
    if isinstance(raw, UnsetType):
        raise bad_response()
    block = decode_known(raw, _BLOCK, _READ)
    return block if block is not None and block.type in _READ else None


def searches_in(raw: Raw | UnsetType) -> int:
    """Return how many searches a block of the provider's own tools adds; one that failed is not charged: -1."""
    try:
        block = _TOOL_BLOCK.decode(raw or b"null")
    except UNREADABLE:
        return 0
    if block.type == "server_tool_use":
        return block.name == "web_search"
    return -(block.type == "web_search_tool_result" and bytes(block.content or b"")[:1] == b"{")


def to_detail(index: int, *, text: str | None, signature: str | None, first: bool = True) -> ReasoningDetail:
    """Return thinking in the form in which it comes back, or a piece of it: only the first piece names the owner."""
    return ReasoningDetail(
        type="reasoning.text", format=FORMAT if first else None, index=index, text=text, signature=signature
    )


def to_encrypted_detail(data: str, index: int) -> ReasoningDetail:
    """Return redacted thinking in the form in which it comes back."""
    return ReasoningDetail(type="reasoning.encrypted", format=FORMAT, index=index, data=data)


def to_annotations(citations: Sequence[Raw], start: int, end: int) -> list[Annotation]:
    """Return the citations that name a web page, for the text from `start` to `end` (characters)."""
    annotations: list[Annotation] = []
    for raw in citations:
        citation = decode_known(raw, _CITATION, frozenset())
        url = (citation.url or citation.source or "") if citation is not None else ""
        if citation is None or not url.startswith(("http://", "https://")):
            continue
        quoted = citation.cited_text or UNSET
        cited = URLCitation(start_index=start, end_index=end, title=citation.title or "", url=url, content=quoted)
        annotations.append(Annotation(type="url_citation", url_citation=cited))
    return annotations


def to_arguments(value: Raw | UnsetType) -> str:
    """Return a tool call's input as JSON text."""
    text = "" if isinstance(value, UnsetType) else bytes(value).decode("utf-8", "replace")
    return "{}" if text in {"", "null"} else text


def to_finish_reason(native: str | None, *, calls: bool) -> FinishReason:
    """Return why the answer ended; `calls` says whether it has tool calls, which unknown words then stand for."""
    known = _FINISH.get(native or "")
    if known is not None:
        return known
    if native != "tool_use":
        note_unmapped("anthropic", native)
    return "tool_calls" if calls else "stop"


def to_filter_results(details: StopDetails | None) -> Raw | UnsetType:
    """Return the category of a refusal, in the form of other providers' filters; absent where it has none."""
    if details is None or not details.category:
        return UNSET
    return Raw(_ENCODER.encode({details.category: {"filtered": True}}))


def to_refusal(native: str | None, details: StopDetails | None, text: str) -> str | None:
    """Return why the model refused: the provider's words, else the model's own; None where it did not refuse."""
    if native != "refusal":
        return None
    return (details.explanation if details is not None else None) or text or _REFUSAL
