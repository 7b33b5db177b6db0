"""The hub's answers: OpenAI chat completions and chunks as a documented superset; knows no provider.

Source: https://platform.openai.com/docs/api-reference/chat/object, checked against the installed `openai` package by
`tests/schemas/test_openai_types.py`. Fields that OpenAI marks required-nullable default to `None` and are written as
`null`; optional fields default to `UNSET` and are left out. Structs are mutable: the one owner of an answer rewrites
`model`, `id` and `usage` in place instead of copying.

Superset fields: `reasoning_content`, `reasoning` (equal strings), `reasoning_details`, `extra_content`, `images`,
`citations`, `search_results`, `prompt_filter_results`, `content_filter_results`, `stop_reason`,
`annotations[].{file, url_citation.content}`.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from schemas.chat_request import ExtraContent, ReasoningDetail

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ResponseStruct(Struct, kw_only=True, gc=False):
    """Base of everything that the gateway answers: mutable, owned by one stage at a time, and never part of a cycle."""


# --- usage ------------------------------------------------------------------------------------------------------------


class PromptTokensDetails(ResponseStruct, kw_only=True):
    """Parts of `prompt_tokens`; each is at most the total.

    `cache_write_1h_tokens` is the part of those written that is kept for an hour, `tool_tokens` what the provider's own
    tools put into the prompt.
    """

    audio_tokens: int | UnsetType = UNSET
    cache_write_tokens: int | UnsetType = UNSET
    cache_write_1h_tokens: int | UnsetType = UNSET
    cached_tokens: int | UnsetType = UNSET
    image_tokens: int | UnsetType = UNSET
    text_tokens: int | UnsetType = UNSET
    tool_tokens: int | UnsetType = UNSET


class CompletionTokensDetails(ResponseStruct, kw_only=True):
    """Parts of `completion_tokens`; each is at most the total."""

    accepted_prediction_tokens: int | UnsetType = UNSET
    audio_tokens: int | UnsetType = UNSET
    image_tokens: int | UnsetType = UNSET
    reasoning_tokens: int | UnsetType = UNSET
    rejected_prediction_tokens: int | UnsetType = UNSET
    text_tokens: int | UnsetType = UNSET


class ServerToolUse(ResponseStruct, kw_only=True):
    """How often the provider's own tools worked."""

    web_search_requests: int


class CompletionUsage(ResponseStruct, kw_only=True):
    """Inclusive token totals of one request; both objects of details are always there, with what was reported.

    `aqueduct_*` only where the client asks; a cost is decimal text.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails = msgspec.field(default_factory=PromptTokensDetails)
    completion_tokens_details: CompletionTokensDetails = msgspec.field(default_factory=CompletionTokensDetails)
    server_tool_use: ServerToolUse | UnsetType = UNSET
    aqueduct_cost: str | UnsetType = UNSET
    aqueduct_schema_valid: bool | UnsetType = UNSET


# --- log probabilities ------------------------------------------------------------------------------------------------


class TopLogprob(ResponseStruct, kw_only=True):
    """A likely alternative for one token."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(ResponseStruct, kw_only=True):
    """One token with its log probability."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] = []


class ChoiceLogprobs(ResponseStruct, kw_only=True):
    """Log probabilities of the content or the refusal."""

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


# --- messages ---------------------------------------------------------------------------------------------------------


class URLCitation(ResponseStruct, kw_only=True):
    """Where in the text a source is cited. Indexes count characters; `content` is what is cited (superset)."""

    end_index: int
    start_index: int
    title: str
    url: str
    content: str | UnsetType | None = UNSET


class Annotation(ResponseStruct, kw_only=True):
    """A citation, or (superset) a `file` that the provider has read: sent back, it is not read and charged again."""

    type: str
    url_citation: URLCitation | UnsetType = UNSET
    file: Raw | UnsetType = UNSET


class MessageImageURL(ResponseStruct, kw_only=True):
    """`url` is a `data:` URL with base64 content."""

    url: str


class MessageImage(ResponseStruct, kw_only=True):
    """An image that the model made (superset, as OpenRouter and LiteLLM spell it); `index` counts from 0."""

    image_url: MessageImageURL
    index: int
    type: Literal["image_url"] = "image_url"


class MessageAudio(ResponseStruct, kw_only=True):
    """`data` is base64; `expires_at` is in Unix seconds."""

    id: str
    data: str
    expires_at: int
    transcript: str


class CalledFunction(ResponseStruct, kw_only=True):
    """`arguments` is a JSON text, as the model wrote it."""

    name: str
    arguments: str


class CalledCustomTool(ResponseStruct, kw_only=True):
    """`input` is free text."""

    name: str
    input: str


class MessageToolCall(ResponseStruct, kw_only=True):
    """A tool call in an answer: `function` or `custom`, as `type` says."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: CalledFunction | UnsetType = UNSET
    custom: CalledCustomTool | UnsetType = UNSET
    extra_content: ExtraContent | UnsetType = UNSET


class AssistantResponse(ResponseStruct, kw_only=True):
    """`choices[].message` of an answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] = []
    audio: MessageAudio | UnsetType | None = UNSET
    function_call: CalledFunction | UnsetType | None = UNSET
    tool_calls: list[MessageToolCall] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_details: list[ReasoningDetail] | UnsetType = UNSET
    extra_content: ExtraContent | UnsetType = UNSET
    images: list[MessageImage] | UnsetType = UNSET


class Choice(ResponseStruct, kw_only=True):
    """One of `n` answers."""

    index: int
    message: AssistantResponse
    finish_reason: FinishReason
    logprobs: ChoiceLogprobs | None = None
    content_filter_results: Raw | UnsetType = UNSET
    stop_reason: Raw | UnsetType = UNSET


class ChatCompletion(ResponseStruct, kw_only=True):
    """A whole answer. `created` is in Unix seconds."""

    id: str
    choices: list[Choice]
    created: int
    model: str
    object: Literal["chat.completion"] = "chat.completion"
    metadata: dict[str, str] | UnsetType | None = UNSET
    moderation: Raw | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    usage: CompletionUsage | UnsetType = UNSET
    citations: Raw | UnsetType = UNSET
    search_results: Raw | UnsetType = UNSET
    prompt_filter_results: Raw | UnsetType = UNSET


# --- stream -----------------------------------------------------------------------------------------------------------


class FunctionDelta(ResponseStruct, kw_only=True):
    """`name` only in the first delta of a call; `arguments` is a piece of JSON text."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CustomDelta(ResponseStruct, kw_only=True):
    """`name` only in the first delta of a call; `input` is a piece of free text."""

    name: str | UnsetType = UNSET
    input: str | UnsetType = UNSET


class ToolCallDelta(ResponseStruct, kw_only=True):
    """`index` is dense from 0 within a choice; `id` and `type` only in the first delta of a call."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET
    custom: CustomDelta | UnsetType = UNSET
    extra_content: ExtraContent | UnsetType = UNSET


class AudioDelta(ResponseStruct, kw_only=True):
    """A piece of audio: `data` is base64."""

    id: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET
    transcript: str | UnsetType = UNSET


class ChoiceDelta(ResponseStruct, kw_only=True):
    """What one chunk adds to a choice's message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    function_call: FunctionDelta | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    audio: AudioDelta | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_details: list[ReasoningDetail] | UnsetType = UNSET
    extra_content: ExtraContent | UnsetType = UNSET
    images: list[MessageImage] | UnsetType = UNSET


class ChunkChoice(ResponseStruct, kw_only=True):
    """`finish_reason` is set in exactly one chunk per choice."""

    index: int
    delta: ChoiceDelta
    finish_reason: FinishReason | None = None
    logprobs: ChoiceLogprobs | None = None
    content_filter_results: Raw | UnsetType = UNSET
    stop_reason: Raw | UnsetType = UNSET


class ChatCompletionChunk(ResponseStruct, kw_only=True):
    """One stream item. All chunks of a stream share `id`, `created` and `model`.

    `usage` is `UNSET` unless the client asked for it; then `None` in every chunk but the last.
    """

    id: str
    choices: list[ChunkChoice]
    created: int
    model: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    moderation: Raw | UnsetType = UNSET
    obfuscation: str | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET
    usage: CompletionUsage | UnsetType | None = UNSET
    citations: Raw | UnsetType = UNSET
    search_results: Raw | UnsetType = UNSET
    prompt_filter_results: Raw | UnsetType = UNSET
