"""What an answer's parts mean to a client: reasoning, citations, calls, the end; shared by whole and streamed answers.

Knows no request and no stream. Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
(`stopReason`) and .../API_runtime_GuardrailTraceAssessment.html, checked 2026-11-24.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from adapters.bedrock.models import CLAUDE_FORMAT
from adapters.bedrock.parts import to_encrypted
from adapters.counts import note_unmapped
from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from schemas.bedrock.response import AnsweredTier, CalledTool, Citation, ModelFields, Trace
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import Annotation, Choice, ChunkChoice, FinishReason, URLCitation

SERVER_TOOL: Final = "server_tool_use"
_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
_MALFORMED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
_ENCODER: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def to_detail(
    index: int, owner: str, *, text: str | None, signature: str | None, first: bool = True
) -> ReasoningDetail:
    """Return reasoning in the form in which it comes back, or a piece of it: only the first piece names the owner."""
    return ReasoningDetail(
        type="reasoning.text", format=owner if first else None, index=index, text=text, signature=signature
    )


def to_encrypted_detail(redacted: str, owner: str, index: int) -> ReasoningDetail:
    """Return redacted reasoning in the form in which it comes back; Claude's as its own API has it."""
    data = to_encrypted(redacted) if owner == CLAUDE_FORMAT else None
    return ReasoningDetail(
        type="reasoning.encrypted", format=owner, index=index, data=redacted if data is None else data
    )


def to_annotations(citations: Sequence[Citation], start: int, end: int) -> list[Annotation]:
    """Return the citations that name a web page, for the text from `start` to `end` (characters)."""
    annotations: list[Annotation] = []
    for citation in citations:
        web = citation.location.web if citation.location is not None else None
        url = (web.url if web is not None else None) or citation.source or ""
        if not url.startswith(("http://", "https://")):
            continue
        title = citation.title or (web.domain if web is not None else None) or ""
        quoted = "".join(piece.text or "" for piece in citation.source_content or ()) or UNSET
        cited = URLCitation(start_index=start, end_index=end, title=title, url=url, content=quoted)
        annotations.append(Annotation(type="url_citation", url_citation=cited))
    return annotations


def image_url(form: str | None, data: str) -> str:
    """Return an image, whose `data` is base64, as a `data:` URL."""
    return f"data:image/{form or 'png'};base64,{data}"


def is_clients(call: CalledTool) -> bool:
    """Return whether a call is one of the client's tools; the provider runs its own by itself."""
    return call.type != SERVER_TOOL


def to_finish_reason(native: str | None, *, calls: bool) -> FinishReason:
    """Return why the answer ended; raises where the model's output was unusable.

    `calls` says whether it has tool calls, which `tool_use` and unknown words then stand for.
    """
    if native in _MALFORMED:
        raise ProviderError(ErrorKind.SERVER_ERROR, "The model's output was malformed.", code=native)
    known = _FINISH.get(native or "")
    if known is not None:
        return known
    if native != "tool_use":
        note_unmapped("bedrock", native)
    return "tool_calls" if calls else "stop"


def add_end(choice: Choice | ChunkChoice, fields: ModelFields | None, trace: Trace | None) -> None:
    """Put on a choice which stop sequence ended it and what the guardrail found."""
    if fields is not None and fields.stop_sequence is not None:
        choice.stop_reason = Raw(_ENCODER.encode(fields.stop_sequence))
    if trace is not None and not isinstance(trace.guardrail, UnsetType):
        choice.content_filter_results = _guardrail(trace.guardrail)


def to_tier(tier: AnsweredTier | None) -> str | UnsetType:
    """Return the tier that served the request."""
    return tier.type if tier is not None and tier.type is not None else UNSET


def invoked_model(trace: Trace | None) -> str | None:
    """Return the model that a prompt router chose; the provider names no other."""
    router = trace.prompt_router if trace is not None else None
    return router.invoked_model_id if router is not None else None


def _guardrail(raw: Raw) -> Raw | UnsetType:
    """Return the assessment without `modelOutput`: what the guardrail has masked is not for the client."""
    try:
        assessment = _OBJECT.decode(raw)
    except UNREADABLE:
        return UNSET
    assessment.pop("modelOutput", None)
    return Raw(_ENCODER.encode({"guardrail": assessment}))
