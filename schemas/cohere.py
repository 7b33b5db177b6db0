"""What Cohere's API v2 takes and answers: chat, embeddings, reranking and the model list; knows no hub type.

Source: https://docs.cohere.com/v2/reference/chat, .../embed, .../rerank and .../list-models, checked against the
`cohere` package 7.3. Requests are exact; answers are lenient and hold only what is used. `Raw` fields are
JSON byte for byte.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field


class CohereRequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is sent: immutable, absent fields stay absent."""


class CohereResponseStruct(Struct, frozen=True, kw_only=True):
    """Base of everything that is read: every field may be absent."""


# --- requests: messages -----------------------------------------------------------------------------------------------


class TextContent(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""

    text: str


class ThinkingContent(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    """The model's own reasoning, in assistant messages."""

    thinking: str


class ImageURL(CohereRequestStruct, frozen=True, kw_only=True):
    """`url` is an http(s) URL or a `data:` URL with base64 content."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageContent(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="image_url"):
    """An image, in user messages."""

    image_url: ImageURL


class Document(CohereRequestStruct, frozen=True, kw_only=True):
    """Something that the model can cite."""

    data: dict[str, str]
    id: str | None = None


class DocumentContent(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="document"):
    """A document in a tool's result."""

    document: Document


class CalledFunction(CohereRequestStruct, frozen=True, kw_only=True):
    """`arguments` is a JSON text."""

    name: str
    arguments: str


class ToolCall(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A call in the history."""

    id: str
    function: CalledFunction


class SystemMessage(CohereRequestStruct, frozen=True, kw_only=True, tag_field="role", tag="system"):
    """Instructions."""

    content: str | list[TextContent]


class UserMessage(CohereRequestStruct, frozen=True, kw_only=True, tag_field="role", tag="user"):
    """What the user said or showed."""

    content: str | list[TextContent | ImageContent]


class AssistantMessage(CohereRequestStruct, frozen=True, kw_only=True, tag_field="role", tag="assistant"):
    """An earlier answer. `tool_plan` is how models without thinking reason about their calls."""

    content: str | list[TextContent | ThinkingContent] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None


class ToolMessage(CohereRequestStruct, frozen=True, kw_only=True, tag_field="role", tag="tool"):
    """The result of one call."""

    tool_call_id: str
    content: str | list[TextContent | DocumentContent]


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


# --- requests: chat ---------------------------------------------------------------------------------------------------


class Function(CohereRequestStruct, frozen=True, kw_only=True):
    """`parameters` is a JSON schema object and required."""

    name: str
    parameters: Raw
    description: str | None = None


class Tool(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A function that the model may call."""

    function: Function


class JsonObjectFormat(CohereRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="json_object"):
    """JSON, of any form or after a schema."""

    json_schema: Raw | UnsetType = UNSET


class Thinking(CohereRequestStruct, frozen=True, kw_only=True):
    """`token_budget` is in tokens and positive."""

    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class CitationOptions(CohereRequestStruct, frozen=True, kw_only=True):
    """How much care the model takes with citations, as the API's reference lists it."""

    mode: str


class ChatRequest(CohereRequestStruct, frozen=True, kw_only=True):
    """The body of `/v2/chat`; `k` and `p` are the cuts of sampling by count and by probability mass."""

    model: str
    messages: list[Message]
    tools: list[Tool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[Document] | None = None
    citation_options: CitationOptions | None = None
    response_format: JsonObjectFormat | None = None
    safety_mode: str | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    thinking: Thinking | None = None
    stream: bool = False


# --- requests: embeddings ---------------------------------------------------------------------------------------------


class EmbedRequest(CohereRequestStruct, frozen=True, kw_only=True):
    """The body of `/v2/embed`; at most 96 texts."""

    model: str
    texts: list[str]
    input_type: str
    embedding_types: list[str]
    output_dimension: int | None = None
    truncate: str | None = None


class RerankRequest(CohereRequestStruct, frozen=True, kw_only=True):
    """The body of `/v2/rerank`."""

    model: str
    query: str
    documents: list[str]
    top_n: int | None = None
    max_tokens_per_doc: int | None = None


# --- answers: usage ---------------------------------------------------------------------------------------------------


class ReceivedTokens(CohereResponseStruct, frozen=True, kw_only=True):
    """Counters; the API's types are floating-point numbers, its values whole."""

    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None
    image_tokens: float | None = None
    images: float | None = None
    search_units: float | None = None


class ReceivedUsage(CohereResponseStruct, frozen=True, kw_only=True):
    """`tokens` is what the model read and wrote, `billed_units` what Cohere charges for."""

    billed_units: ReceivedTokens | None = None
    tokens: ReceivedTokens | None = None
    cached_tokens: float | None = None


# --- answers: chat ----------------------------------------------------------------------------------------------------


class ReceivedContent(CohereResponseStruct, frozen=True, kw_only=True):
    """A content block or a piece of one: `text` or `thinking`."""

    text: str | None = None
    thinking: str | None = None


class ReceivedFunction(CohereResponseStruct, frozen=True, kw_only=True):
    """`arguments` is a JSON text or, in a stream, a piece of one."""

    name: str | None = None
    arguments: str | None = None


class ReceivedCall(CohereResponseStruct, frozen=True, kw_only=True):
    """A call of a tool."""

    id: str | None = None
    function: ReceivedFunction | None = None


class ReceivedSource(CohereResponseStruct, frozen=True, kw_only=True):
    """A document or a tool's output, both free-form JSON objects."""

    id: str | None = None
    document: Raw | UnsetType = UNSET
    tool_output: Raw | UnsetType = UNSET


class ReceivedCitation(CohereResponseStruct, frozen=True, kw_only=True):
    """`start` and `end` count characters of the content block `content_index`."""

    start: int | None = None
    end: int | None = None
    sources: list[ReceivedSource] | None = None
    content_index: int | None = None
    type: str | None = None


class ReceivedMessage(CohereResponseStruct, frozen=True, kw_only=True):
    """The answer."""

    content: list[ReceivedContent] | None = None
    tool_plan: str | None = None
    tool_calls: list[ReceivedCall] | None = None
    citations: list[ReceivedCitation] | None = None


class ReceivedLogprob(CohereResponseStruct, frozen=True, kw_only=True):
    """A piece of text with the log probabilities of its tokens."""

    text: str | None = None
    logprobs: list[float] | None = None


class ChatResponse(CohereResponseStruct, frozen=True, kw_only=True):
    """The answer of `/v2/chat`."""

    message: ReceivedMessage
    id: str | None = None
    finish_reason: str | None = None
    usage: Raw | UnsetType = UNSET
    logprobs: list[ReceivedLogprob] | None = None


class StreamEvent(CohereResponseStruct, frozen=True, kw_only=True):
    """One event; the form of `delta` depends on `type`. An error has `message` and no `type`."""

    type: str | None = None
    id: str | None = None
    index: int | None = None
    delta: Raw | UnsetType = UNSET
    logprobs: ReceivedLogprob | None = None
    message: Raw | UnsetType = UNSET


class ContentMessage(CohereResponseStruct, frozen=True, kw_only=True):
    """Of `content-start`, `content-delta` and `tool-plan-delta`."""

    content: ReceivedContent | None = None
    tool_plan: str | None = None


class ContentDelta(CohereResponseStruct, frozen=True, kw_only=True):
    """A piece of content."""

    message: ContentMessage | None = None


class CallMessage(CohereResponseStruct, frozen=True, kw_only=True):
    """Of `tool-call-start` and `tool-call-delta`: one call, in spite of the name."""

    tool_calls: ReceivedCall | None = None


class CallDelta(CohereResponseStruct, frozen=True, kw_only=True):
    """A piece of a call."""

    message: CallMessage | None = None


class CitationMessage(CohereResponseStruct, frozen=True, kw_only=True):
    """Of `citation-start`: one citation, in spite of the name."""

    citations: ReceivedCitation | None = None


class CitationDelta(CohereResponseStruct, frozen=True, kw_only=True):
    """A citation."""

    message: CitationMessage | None = None


class EndDelta(CohereResponseStruct, frozen=True, kw_only=True):
    """Of `message-end`."""

    finish_reason: str | None = None
    error: str | None = None
    usage: Raw | UnsetType = UNSET


class ErrorResponse(CohereResponseStruct, frozen=True, kw_only=True):
    """The body of a failure. `id` is the request's."""

    message: str | None = None
    id: str | None = None


# --- answers: embeddings and models -----------------------------------------------------------------------------------


class ReceivedVectors(CohereResponseStruct, frozen=True, kw_only=True):
    """The vectors by type."""

    floats: list[list[float]] | None = field(default=None, name="float")


class EmbedResponse(CohereResponseStruct, frozen=True, kw_only=True):
    """The answer of `/v2/embed`; `meta` has the form of a chat answer's usage."""

    embeddings: ReceivedVectors
    id: str | None = None
    meta: Raw | UnsetType = UNSET


class ReceivedScore(CohereResponseStruct, frozen=True, kw_only=True):
    """A document by its place in the request."""

    index: int
    relevance_score: float


class RerankResponse(CohereResponseStruct, frozen=True, kw_only=True):
    """The answer of `/v2/rerank`."""

    results: list[ReceivedScore]
    id: str | None = None
    meta: Raw | UnsetType = UNSET


class ListedModel(CohereResponseStruct, frozen=True, kw_only=True):
    """A model, with the endpoints that take it (`chat`, `embed`, `rerank`, ...)."""

    name: str | None = None
    endpoints: list[str] | None = None


class ModelPage(CohereResponseStruct, frozen=True, kw_only=True):
    """The answer of `/v1/models`."""

    models: list[ListedModel] | None = None
    next_page_token: str | None = None
