"""The hub's request: OpenAI chat completions as a documented superset; knows no provider.

Source: https://platform.openai.com/docs/api-reference/chat/create, checked against the installed `openai` package by
`tests/schemas/test_openai_types.py`. In a request an explicit `null` means the same as an absent field, so optional
fields default to `None` and are left out when encoded. `Raw` fields carry JSON that the gateway has no need to read
(JSON schemas, free-form objects) byte for byte.

Superset fields, each accepted from clients and translated by the adapters:
`AssistantMessage.{reasoning_content, reasoning, reasoning_details, thinking_blocks, extra_content, images,
annotations, tensorzero_extra_content}`,
`*.cache_control`, `ToolMessage.is_error`, `ChatRequest.{reasoning, thinking, top_k}`,
`stream_options.include_schema_valid`, part types `video_url` and `audio_url`,
`modalities` with `image`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, UnsetType

from schemas.chat_content import (
    AudioPart,
    AudioURL,
    AudioURLPart,
    Content,
    ContentPart,
    ContentPartBase,
    FileData,
    FilePart,
    ImagePart,
    ImageURL,
    InputAudio,
    RefusalPart,
    TextContent,
    TextPart,
    VideoPart,
)
from schemas.chat_reasoning import (
    AnthropicExtra,
    ExtraContent,
    GoogleExtra,
    ReasoningDetail,
    ReasoningText,
    ThinkingBlock,
    ThoughtContent,
)
from schemas.chat_tools import (
    AllowedTools,
    AllowedToolsChoice,
    CustomCall,
    CustomDefinition,
    CustomTool,
    CustomToolCall,
    CustomToolChoice,
    FunctionCall,
    FunctionDefinition,
    FunctionTool,
    FunctionToolCall,
    FunctionToolChoice,
    Tool,
    ToolCall,
    ToolChoice,
    ToolName,
    ToolReference,
)
from schemas.request_struct import (
    CacheControl,
    PromptCacheBreakpoint,
    RequestStruct,
)

__all__ = [
    "AllowedTools",
    "AllowedToolsChoice",
    "AnthropicExtra",
    "AssistantMessage",
    "AudioOutput",
    "AudioPart",
    "AudioReference",
    "AudioURL",
    "AudioURLPart",
    "CacheControl",
    "ChatRequest",
    "Content",
    "ContentPart",
    "ContentPartBase",
    "CustomCall",
    "CustomDefinition",
    "CustomTool",
    "CustomToolCall",
    "CustomToolChoice",
    "DeveloperMessage",
    "ExtraContent",
    "FileData",
    "FilePart",
    "FunctionCall",
    "FunctionDefinition",
    "FunctionMessage",
    "FunctionTool",
    "FunctionToolCall",
    "FunctionToolChoice",
    "GoogleExtra",
    "ImagePart",
    "ImageURL",
    "InputAudio",
    "JsonObjectFormat",
    "JsonSchema",
    "JsonSchemaFormat",
    "LegacyFunctionName",
    "Message",
    "Modality",
    "Prediction",
    "PromptCacheBreakpoint",
    "ReasoningDetail",
    "ReasoningEffort",
    "ReasoningOptions",
    "ReasoningText",
    "RefusalPart",
    "RequestStruct",
    "ResponseFormat",
    "Role",
    "ServiceTier",
    "StreamOptions",
    "SystemMessage",
    "TextContent",
    "TextFormat",
    "TextPart",
    "ThinkingBlock",
    "ThinkingOptions",
    "ThoughtContent",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolMessage",
    "ToolName",
    "ToolReference",
    "UserMessage",
    "VideoPart",
]

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Modality = Literal["text", "audio", "image"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


# --- messages --------------------------------------------------------------------------------------------------------


class AudioReference(RequestStruct, frozen=True, kw_only=True):
    """Names audio of an earlier answer."""

    id: str


class SystemMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="system"):
    """Instructions."""

    content: TextContent
    name: str | None = None
    cache_control: CacheControl | None = None


class DeveloperMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="developer"):
    """Instructions, in the newer spelling."""

    content: TextContent
    name: str | None = None
    cache_control: CacheControl | None = None


class UserMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="user"):
    """What the user said or showed."""

    content: Content
    name: str | None = None
    cache_control: CacheControl | None = None


class AnsweredAnnotation(RequestStruct, frozen=True, kw_only=True):
    """An annotation of an earlier answer; only a `file` that the provider has read is of use to it again."""

    type: str = ""
    file: Raw | UnsetType = UNSET


class AssistantMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="assistant"):
    """An earlier answer of the model. `images` and `annotations` are as our own answers hold them."""

    content: Content | None = None
    images: list[ImagePart] | None = None
    annotations: list[AnsweredAnnotation] | None = []  # noqa: RUF012 - msgspec makes a new list for each
    name: str | None = None
    refusal: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    cache_control: CacheControl | None = None
    reasoning_content: str | None = None
    reasoning: str | ReasoningText | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    tensorzero_extra_content: list[ThoughtContent] | None = None
    extra_content: ExtraContent | None = None


class ToolMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="tool"):
    """The result of one tool call. Images and files in `content` are a superset; so is `is_error`."""

    content: Content
    tool_call_id: str
    name: str | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class FunctionMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="function"):
    """The result of a deprecated function call."""

    content: str | None
    name: str


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


# --- response format and other parameters -----------------------------------------------------------------------------


class TextFormat(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Plain text, the default."""


class JsonObjectFormat(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchema(RequestStruct, frozen=True, kw_only=True):
    """`schema` is a JSON schema, kept byte for byte."""

    name: str
    description: str | None = None
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None


class JsonSchemaFormat(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that follows a schema."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class StreamOptions(RequestStruct, frozen=True, kw_only=True):
    """`include_usage` asks for one more chunk with the usage of the whole request.

    `include_schema_valid` (superset) asks that chunk to say whether the answer follows the schema, where it is checked.
    """

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    include_schema_valid: bool | None = None


class Prediction(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="content"):
    """Text that the answer is expected to repeat in large part."""

    content: TextContent


class AudioOutput(RequestStruct, frozen=True, kw_only=True):
    """`voice` is a name or `{"id": ...}`."""

    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]
    voice: Raw


class ReasoningOptions(RequestStruct, frozen=True, kw_only=True):
    """Superset, as OpenRouter spells it; wins over `reasoning_effort`. `max_tokens` is a budget in tokens."""

    effort: ReasoningEffort | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class ThinkingOptions(RequestStruct, frozen=True, kw_only=True):
    """Superset, as Anthropic spells it; wins over `reasoning_effort`. `budget_tokens` is a budget in tokens."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = None
    display: str | None = None


class LegacyFunctionName(RequestStruct, frozen=True, kw_only=True):
    """Deprecated `function_call: {"name": ...}`."""

    name: str


AtLeastOne = Annotated[int, Meta(ge=1)]


class ChatRequest(RequestStruct, frozen=True, kw_only=True):
    """One chat completion request in the hub's form."""

    model: str
    messages: list[Message]
    audio: AudioOutput | None = None
    frequency_penalty: float | None = None
    function_call: Literal["none", "auto"] | LegacyFunctionName | None = None
    functions: list[FunctionDefinition] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Modality] | None = None
    moderation: Raw | UnsetType = UNSET
    n: AtLeastOne | None = None
    parallel_tool_calls: bool | None = None
    prediction: Prediction | None = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Raw | UnsetType = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    reasoning: ReasoningOptions | None = None
    reasoning_effort: ReasoningEffort | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: ServiceTier | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    thinking: ThinkingOptions | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool] | None = None
    top_k: int | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: Raw | UnsetType = UNSET
