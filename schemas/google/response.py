"""What `generateContent` and `streamGenerateContent` answer; lenient, only what is used; knows no hub type.

Source: https://ai.google.dev/api/generate-content#generatecontentresponse. A stream's events have the same type.
Vertex AI writes some enums as integers, so every enum is `str | int`.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

Enum = str | int


class GoogleResponseStruct(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is read: every field may be absent."""


class ReceivedBlob(GoogleResponseStruct, frozen=True, kw_only=True):
    """`data` is base64."""

    mime_type: str = ""
    data: str = ""


class ReceivedCall(GoogleResponseStruct, frozen=True, kw_only=True):
    """A function call; `args` is a JSON object."""

    name: str = ""
    id: str | None = None
    args: Raw | UnsetType = UNSET


class ReceivedPart(GoogleResponseStruct, frozen=True, kw_only=True):
    """Server-side tools (`executableCode`, `toolCall`, ...) are not read."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: ReceivedCall | None = None
    inline_data: ReceivedBlob | None = None


class ReceivedContent(GoogleResponseStruct, frozen=True, kw_only=True):
    """One turn of the model."""

    parts: list[ReceivedPart] | None = None


class Segment(GoogleResponseStruct, frozen=True, kw_only=True):
    """A stretch of the answer; the indexes count UTF-8 bytes."""

    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class Source(GoogleResponseStruct, frozen=True, kw_only=True):
    """A web page, a document or a place."""

    uri: str | None = None
    title: str | None = None
    domain: str | None = None


class ImageSource(GoogleResponseStruct, frozen=True, kw_only=True):
    """A picture on a web page."""

    source_uri: str | None = None
    title: str | None = None
    domain: str | None = None


class GroundingChunk(GoogleResponseStruct, frozen=True, kw_only=True):
    """One source, of one of four kinds."""

    web: Source | None = None
    retrieved_context: Source | None = None
    maps: Source | None = None
    image: ImageSource | None = None


class GroundingSupport(GoogleResponseStruct, frozen=True, kw_only=True):
    """Which sources stand behind a stretch."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(GoogleResponseStruct, frozen=True, kw_only=True):
    """Sources of the whole answer."""

    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None
    web_search_queries: list[str | None] | None = None


class Citation(GoogleResponseStruct, frozen=True, kw_only=True):
    """A stretch that repeats a source; the indexes count UTF-8 bytes."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(GoogleResponseStruct, frozen=True, kw_only=True):
    """Vertex AI names the list `citations`, the Gemini API `citationSources`."""

    citations: list[Citation] | None = None
    citation_sources: list[Citation] | None = None


class LogprobCandidate(GoogleResponseStruct, frozen=True, kw_only=True):
    """A token with its log probability."""

    token: str = ""
    log_probability: float = 0.0


class TopCandidates(GoogleResponseStruct, frozen=True, kw_only=True):
    """The likeliest tokens at one position."""

    candidates: list[LogprobCandidate] | None = None


class LogprobsResult(GoogleResponseStruct, frozen=True, kw_only=True):
    """One entry per token in each list."""

    chosen_candidates: list[LogprobCandidate] | None = None
    top_candidates: list[TopCandidates] | None = None


class SafetyRating(GoogleResponseStruct, frozen=True, kw_only=True):
    """How likely one kind of harm is, and whether the filter has met for it."""

    category: Enum | None = None
    probability: Enum | None = None
    blocked: bool | None = None


class Candidate(GoogleResponseStruct, frozen=True, kw_only=True):
    """One answer, or what an event adds to it."""

    content: ReceivedContent | None = None
    index: int = 0
    finish_reason: Enum | None = None
    finish_message: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    citation_metadata: CitationMetadata | None = None
    logprobs_result: LogprobsResult | None = None
    safety_ratings: Raw | UnsetType = UNSET


class PromptFeedback(GoogleResponseStruct, frozen=True, kw_only=True):
    """Why the prompt was blocked, if it was."""

    block_reason: Enum | None = None
    block_reason_message: str | None = None
    safety_ratings: Raw | UnsetType = UNSET


class ModalityCount(GoogleResponseStruct, frozen=True, kw_only=True):
    """Tokens of one modality."""

    modality: Enum | None = None
    token_count: int | None = None


class UsageMetadata(GoogleResponseStruct, frozen=True, kw_only=True):
    """Token counters; see `adapters/google/usage.py` for what includes what."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    service_tier: Enum | None = None
    traffic_type: Enum | None = None


class GenerateContentResponse(GoogleResponseStruct, frozen=True, kw_only=True):
    """A whole answer or one event of a stream; `error` is a `google.rpc.Status` inside a 200."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Raw | UnsetType = UNSET
    model_version: str | None = None
    response_id: str | None = None
    error: Raw | UnsetType = UNSET
