"""What OpenAI-format servers answer, read leniently; knows no request and no endpoint.

Sources: https://platform.openai.com/docs/api-reference/chat and what servers that follow it in part really send. Only
what the translation reads is named, nothing is required, and what is rare stays `Raw` until somebody asks for it.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Index = Annotated[int, Meta(ge=0, le=9999)]
Number = int | float | str | None
Optional = Raw | UnsetType


class WireStruct(Struct, kw_only=True, gc=False):
    """Base of everything that a provider sends: nothing is required. What is decoded holds no cycles."""


class WirePart(WireStruct, kw_only=True):
    """A part of `content` where it is a list: `text`, `image_url`, or `thinking` with parts of its own."""

    type: str | None = None
    text: str | None = None
    thinking: "str | list[WirePart] | None" = None
    image_url: Optional = UNSET


class WireReasoning(WireStruct, kw_only=True):
    """`reasoning` where it is an object."""

    content: str | None = None


class WireFunction(WireStruct, kw_only=True):
    """A called function; some servers send `arguments` as an object."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class WireCustom(WireStruct, kw_only=True):
    """A called custom tool."""

    name: str | None = None
    input: str | None = None


class WireToolCall(WireStruct, kw_only=True):
    """A tool call or a piece of one."""

    index: Index | None = None
    id: str | None = None
    type: str | None = None
    function: WireFunction | None = None
    custom: WireCustom | None = None
    extra_content: Optional = UNSET


class WireMessage(WireStruct, kw_only=True):
    """`message` of a whole answer and `delta` of a streamed one."""

    role: str | None = None
    content: str | list[WirePart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | WireReasoning | None = None
    tool_calls: list[WireToolCall] | None = None
    function_call: WireFunction | None = None
    reasoning_details: Optional = UNSET
    annotations: Optional = UNSET
    audio: Optional = UNSET
    extra_content: Optional = UNSET
    images: Optional = UNSET


class WireImageURL(WireStruct, kw_only=True):
    """`url` is a `data:` URL or one of the web."""

    url: str


class WireImage(WireStruct, kw_only=True):
    """An image that the model made, as OpenRouter and LiteLLM spell it."""

    image_url: WireImageURL
    index: Index | None = None


class WireChoice(WireStruct, kw_only=True):
    """One answer or a piece of it; `text` is that of legacy completions."""

    index: Index | None = None
    delta: WireMessage | None = None
    message: WireMessage | None = None
    text: str | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    logprobs: Optional = UNSET
    content_filter_results: Optional = UNSET
    stop_reason: Optional = UNSET
    usage: Optional = UNSET


class WireGroq(WireStruct, kw_only=True):
    """`x_groq`: Groq's own fields on the first and the last chunk of a stream."""

    usage: Optional = UNSET
    error: Optional = UNSET


class WireCompletion(WireStruct, kw_only=True):
    """A whole answer or one stream item, of chat and of legacy completions; or an error in their place."""

    id: str | int | None = None
    object: str | None = None
    created: Number = None
    model: str | None = None
    choices: list[WireChoice] | None = None
    usage: Optional = UNSET
    error: Optional = UNSET
    message: Optional = UNSET
    x_groq: WireGroq | None = None
    metadata: Optional = UNSET
    moderation: Optional = UNSET
    obfuscation: str | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    citations: Optional = UNSET
    search_results: Optional = UNSET
    prompt_filter_results: Optional = UNSET


class PlainStruct(WireStruct, kw_only=True, forbid_unknown_fields=True):
    """Base of what nearly all servers send, read strictly: what does not fit is something else, and read leniently."""


class PlainDelta(PlainStruct, kw_only=True):
    """The text."""

    content: str
    role: str | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None


class PlainChoice(PlainStruct, kw_only=True):
    """The choice that it is added to."""

    delta: PlainDelta
    index: Index | None = None
    finish_reason: None = None
    native_finish_reason: None = None
    logprobs: None = None
    stop_reason: None = None


class PlainItem(PlainStruct, kw_only=True):
    """The item."""

    choices: tuple[PlainChoice]
    object: Literal["chat.completion.chunk"]
    id: str | int | None = None
    created: Number = None
    model: str | None = None
    usage: None = None
    obfuscation: str | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class WirePromptDetails(WireStruct, kw_only=True):
    """Parts of `prompt_tokens`."""

    audio_tokens: Number = None
    cache_write_tokens: Number = None
    cached_tokens: Number = None
    image_tokens: Number = None
    text_tokens: Number = None


class WireCompletionDetails(WireStruct, kw_only=True):
    """Parts of `completion_tokens`."""

    accepted_prediction_tokens: Number = None
    audio_tokens: Number = None
    image_tokens: Number = None
    reasoning_tokens: Number = None
    rejected_prediction_tokens: Number = None
    text_tokens: Number = None


class WireUsage(WireStruct, kw_only=True):
    """Token counters in every spelling seen; `adapters/openai/usage.py` has the table."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    total_tokens: Number = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None
    cached_tokens: Number = None
    num_cached_tokens: Number = None
    reasoning_tokens: Number = None
    prompt_cache_hit_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation_input_tokens: Number = None
    prompt_audio_seconds: Optional = UNSET
    num_search_queries: Optional = UNSET
    num_sources_used: Optional = UNSET
    server_tool_use: Optional = UNSET
    server_tool_use_details: Optional = UNSET


Count = Annotated[int, Meta(gt=-(2**53), lt=2**53)] | None


class PlainPromptDetails(PlainStruct, kw_only=True):
    """Parts of `prompt_tokens`."""

    audio_tokens: Count = None
    cache_write_tokens: Count = None
    cached_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None


class PlainCompletionDetails(PlainStruct, kw_only=True):
    """Parts of `completion_tokens`."""

    accepted_prediction_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    reasoning_tokens: Count = None
    rejected_prediction_tokens: Count = None
    text_tokens: Count = None


class PlainUsage(PlainStruct, kw_only=True):
    """Token counters in OpenAI's own spelling, all of them whole numbers."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PlainPromptDetails | None = None
    completion_tokens_details: PlainCompletionDetails | None = None


class WireServerTools(WireStruct, kw_only=True):
    """How often the provider used tools of its own."""

    web_search_requests: Number = None


class WireEmbedding(WireStruct, kw_only=True):
    """One vector: numbers, or base64 of little-endian float32."""

    index: Index | None = None
    embedding: list[float] | str


class WireEmbeddings(WireStruct, kw_only=True):
    """The answer of the embeddings operation, or an error in its place."""

    data: list[WireEmbedding] | None = None
    model: str | None = None
    id: str | None = None
    usage: Optional = UNSET
    error: Optional = UNSET
    object: str | None = None
    message: Optional = UNSET


class WireRerankBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request of the reranking operation that servers of OpenAI's format have beside OpenAI's own."""

    model: str
    query: str
    documents: list[str]
    top_n: int | None = None


class WireScore(WireStruct, kw_only=True):
    """A document by its place in the request."""

    index: int
    relevance_score: float


class WireTotal(WireStruct, kw_only=True):
    """A usage object that has a total alone."""

    total_tokens: Annotated[int, Meta(ge=0, lt=2**53)]


class WireRerank(WireStruct, kw_only=True):
    """The answer of the reranking operation, or an error in its place."""

    results: list[WireScore] | None = None
    data: list[WireScore] | None = None
    model: str | None = None
    id: str | None = None
    usage: Optional = UNSET
    error: Optional = UNSET


class WireModel(WireStruct, kw_only=True):
    """One entry of the model list."""

    id: str


class WireModels(WireStruct, kw_only=True):
    """The model list."""

    data: list[WireModel]
