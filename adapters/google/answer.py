"""What a candidate says, piece by piece, for whole answers and streams alike; knows no message and no chunk.

Parts of server-side tools (code execution, search calls) are no text and no tool call of the client: they are left
out, their outcome stands in the text.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.errors import ErrorKind, ProviderError
from adapters.google.finish import UNSPECIFIED, finish_name, is_filtered, refuse_failures
from adapters.google.grounding import has_sources, to_annotations
from adapters.google.safety import to_filter_results
from adapters.held import Held
from adapters.tool_ids import UniqueIds
from adapters.tool_names import ToolNames
from schemas.chat_request import ExtraContent, GoogleExtra, ReasoningDetail
from schemas.chat_response import Annotation, ChoiceLogprobs, TokenLogprob, TopLogprob
from schemas.google.response import (
    Candidate,
    Citation,
    CitationMetadata,
    GenerateContentResponse,
    GroundingMetadata,
    LogprobsResult,
    PromptFeedback,
    ReceivedCall,
    ReceivedPart,
)

FORMAT: Final = "google-gemini-v1"
DECODER: Final = msgspec.json.Decoder(GenerateContentResponse, strict=False)
_SPACE: Final = re.compile(rb"\s")


class Text(Struct, frozen=True):
    """Answer text."""

    text: str


class Thought(Struct, frozen=True):
    """Readable reasoning."""

    text: str


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call by the client's tool name; `arguments` is JSON, or free text for a custom tool."""

    call_id: str
    name: str
    arguments: str
    is_custom: bool
    signature: ReasoningDetail | None


class Signature(Struct, frozen=True):
    """The signature of a text."""

    detail: ReasoningDetail


class Image(Struct, frozen=True):
    """`url` is a `data:` URL."""

    url: str


class Audio(Struct, frozen=True):
    """`data` is base64."""

    data: str


class Refusal(Struct, frozen=True):
    """Why the provider filtered the answer."""

    text: str


Piece = Text | Thought | ToolCall | Signature | Image | Audio | Refusal


def extra_content(detail: ReasoningDetail) -> ExtraContent:
    """Return a signature in Google's own spelling."""
    return ExtraContent(google=GoogleExtra(thought_signature=detail.data))


def block_text(feedback: PromptFeedback, name: str) -> str:
    """Return the refusal that stands for a blocked prompt."""
    return feedback.block_reason_message or f"The provider blocked the prompt ({name})."


class CandidateReader:
    """Reads one candidate over all the answers or events that it is spread over. `seed` makes its call ids unique."""

    def __init__(self, seed: str, index: int, names: ToolNames) -> None:
        self.native_finish: str | None = None
        self.called_tools = False
        self.filter_results: Raw | UnsetType = UNSET
        self._seed = seed
        self._index = index
        self._names = names
        self._ids = UniqueIds()
        self._details = 0
        self._held = Held()
        self._texts: list[str] = []
        self._grounding: GroundingMetadata | None = None
        self._citations: dict[Citation, None] = {}
        self._by_tool = AnswerByTool() if names.has_answer_tool else None

    def read(self, candidate: Candidate) -> Iterator[Piece]:
        """Yield the pieces in order; raises `ProviderError` for a reason that is a failure, or beyond the bound."""
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            yield from self._read_part(part)
        if has_sources(candidate.grounding_metadata):
            self._grounding = candidate.grounding_metadata
        if candidate.citation_metadata is not None:
            self._cite(candidate.citation_metadata)
        if candidate.finish_reason is not None:
            name = finish_name(candidate.finish_reason)
            if name != UNSPECIFIED:
                self.native_finish = name
                refuse_failures(name)
                if self._by_tool is not None:
                    yield from self._said(self._by_tool.end())
                if is_filtered(name):
                    self.filter_results = to_filter_results(candidate.safety_ratings)
                    if candidate.finish_message:
                        yield Refusal(candidate.finish_message)

    def annotations(self) -> list[Annotation]:
        """Return the citations of everything read."""
        if self._grounding is None and not self._citations:
            return []
        return to_annotations(self._grounding, self._citations, "".join(self._texts))

    def _cite(self, metadata: CitationMetadata) -> None:
        """Keep what this event adds: some tell their own citations, others all so far."""
        for citation in (*(metadata.citations or ()), *(metadata.citation_sources or ())):
            if citation.uri and citation not in self._citations:
                self._held.add(len(citation.uri) + len(citation.title or ""))
                self._citations[citation] = None

    def _read_part(self, part: ReceivedPart) -> Iterator[Piece]:
        if part.function_call is not None:
            yield from self._called(part.function_call, part.thought_signature)
            return
        if part.text:
            if part.thought:
                yield Thought(part.text)
            else:
                self._held.add(len(part.text))
                yield from self._said(part.text if self._by_tool is None else self._by_tool.text(part.text))
        elif part.inline_data is not None and not part.thought:
            blob = part.inline_data
            if blob.mime_type.startswith("audio/"):
                yield Audio(blob.data)
            elif blob.mime_type.startswith("image/"):
                yield Image(f"data:{blob.mime_type};base64,{blob.data}")
        if part.thought_signature and (part.text is not None or part.inline_data is not None):
            yield Signature(self._signature(part.thought_signature, None))

    def _said(self, text: str) -> Iterator[Piece]:
        if text:
            self._texts.append(text)
            yield Text(text)

    def _called(self, call: ReceivedCall, signature: str | None) -> Iterator[Piece]:
        if self._by_tool is not None:
            if call.name == JSON_TOOL:
                if self._by_tool.answer():
                    yield from self._said(_arguments(call.args))
                return
            yield from self._said(self._by_tool.call())
        yield self._tool_call(call, signature)

    def _tool_call(self, call: ReceivedCall, signature: str | None) -> ToolCall:
        self.called_tools = True
        name = self._names.original(call.name)
        call_id = self._ids.take(call.id, self._seed, self._index)
        is_custom = self._names.is_custom(name)
        return ToolCall(
            call_id=call_id,
            name=name,
            arguments=free_text.text_of(_arguments(call.args)) if is_custom else _arguments(call.args),
            is_custom=is_custom,
            signature=self._signature(signature, call_id) if signature else None,
        )

    def _signature(self, data: str, call_id: str | None) -> ReasoningDetail:
        index = self._details
        self._details += 1
        return ReasoningDetail(type="reasoning.encrypted", format=FORMAT, id=call_id, index=index, data=data)


def _arguments(args: Raw | UnsetType) -> str:
    """Return the arguments without the provider's indentation; anything but an object is none."""
    data = bytes(args) if args else b""
    if not data.startswith(b"{"):
        return "{}"
    return (msgspec.json.format(data, indent=-1) if _SPACE.search(data) else data).decode()


def to_logprobs(result: LogprobsResult | None) -> ChoiceLogprobs | None:
    """Return the log probabilities of the content, None where there are none."""
    if result is None or not result.chosen_candidates:
        return None
    tops = result.top_candidates or []
    tokens: list[TokenLogprob] = []
    for position, chosen in enumerate(result.chosen_candidates):
        likely = (tops[position].candidates or []) if position < len(tops) else []
        tokens.append(
            TokenLogprob(
                token=chosen.token,
                logprob=chosen.log_probability,
                bytes=list(chosen.token.encode()),
                top_logprobs=[
                    TopLogprob(token=one.token, logprob=one.log_probability, bytes=list(one.token.encode()))
                    for one in likely
                ],
            )
        )
    return ChoiceLogprobs(content=tokens)


def no_answer() -> ProviderError:
    """Return the error for an answer without candidates that was not blocked either."""
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer holds no candidate.")
