"""What Anthropic's Messages API answers, read leniently: required is only what we use; knows no hub type.

Sources: https://platform.claude.com/docs/en/api/messages/create and .../build-with-claude/streaming, checked against
`anthropic` 2.12 on 2026-11-24. Blocks and deltas are one flat Struct each instead of a tagged union, because an
unknown tag must not fail a decode: the reader looks at `type`.
"""

from msgspec import UNSET, Raw, Struct, UnsetType


class WireStruct(Struct, kw_only=True):
    """Base of everything that the provider sends."""


class CacheCreation(WireStruct, kw_only=True):
    """Cache writes by time to live."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputTokensDetails(WireStruct, kw_only=True):
    """Parts of `output_tokens`."""

    thinking_tokens: int | None = None


class IterationUsage(WireStruct, kw_only=True):
    """Tokens of one sampling round inside a turn."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None


class ServerToolUse(WireStruct, kw_only=True):
    """How often the provider's own tools were used."""

    web_search_requests: int | None = None


class WireUsage(IterationUsage, kw_only=True):
    """Tokens of a turn; `input_tokens` excludes what the cache gave and took."""

    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None

    output_tokens_details: OutputTokensDetails | None = None
    iterations: list[IterationUsage] | None = None


class Citation(WireStruct, kw_only=True):
    """Where a statement comes from; `url` for web search results, `source` for search results of the caller."""

    type: str = ""
    url: str | None = None
    source: str | None = None
    title: str | None = None
    cited_text: str | None = None


class ContentBlock(WireStruct, kw_only=True):
    """A block of an answer: text, thinking, redacted thinking or a tool call; others are told by `type` alone."""

    type: str
    text: str | None = None
    citations: list[Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw | UnsetType = UNSET


class ToolBlock(WireStruct, kw_only=True):
    """A block of a tool that the provider runs itself: its use, or its result in `content`."""

    type: str = ""
    name: str | None = None
    content: Raw | UnsetType = UNSET


class StopDetails(WireStruct, kw_only=True):
    """Why the model refused."""

    type: str | None = None
    category: str | None = None
    explanation: str | None = None


class ErrorDetail(WireStruct, kw_only=True):
    """`type` is the provider's kind, for example `overloaded_error`."""

    type: str | None = None
    message: str | None = None


class ErrorResponse(WireStruct, kw_only=True):
    """`{"type": "error", "error": {...}, "request_id": ...}`."""

    error: ErrorDetail | None = None
    request_id: str | None = None


class MessageResponse(WireStruct, kw_only=True):
    """A whole answer, or the beginning of a streamed one; `type` is `error` for a failure under status 200."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Raw | UnsetType = UNSET
    error: ErrorDetail | None = None
    request_id: str | None = None


class Delta(WireStruct, kw_only=True):
    """What an event adds to a block, or how the message ended."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Raw | UnsetType = UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class StreamEvent(WireStruct, kw_only=True):
    """One stream event of any type."""

    type: str
    index: int = 0
    message: MessageResponse | None = None
    content_block: Raw | UnsetType = UNSET
    delta: Delta | None = None
    usage: Raw | UnsetType = UNSET
    error: ErrorDetail | None = None
    request_id: str | None = None


class TypeOnly(WireStruct, kw_only=True):
    """Enough to tell an unknown thing from a broken known one."""

    type: str = ""


class ModelInfo(WireStruct, kw_only=True):
    """One entry of the model list."""

    id: str


class ModelPage(WireStruct, kw_only=True):
    """A page of the model list; `last_id` is the cursor of the next one."""

    data: list[ModelInfo]
    has_more: bool = False
    last_id: str | None = None
