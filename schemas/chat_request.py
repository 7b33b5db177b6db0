"""The hub's request: OpenAI chat completions as a documented superset; knows no provider.

Source: https://platform.openai.com/docs/api-reference/chat/create, checked against the installed `openai` package by
`tests/schemas/test_openai_types.py`. In a request an explicit `null` means the same as an absent field, so optional
fields default to `None` and are left out when encoded. `Raw` fields carry JSON that the gateway has no need to read
(JSON schemas, free-form objects) byte for byte.

Superset fields, each accepted from clients and translated by the adapters:
`AssistantMessage.{reasoning_content, reasoning, reasoning_details, thinking_blocks, extra_content, images,
tensorzero_extra_content}`,
`*.cache_control`, `ToolMessage.is_error`, `ChatRequest.{reasoning, thinking, top_k}`,
`stream_options.include_schema_valid`, part type `video_url`.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class RequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that a client sends: immutable, absent fields stay absent."""


class CacheControl(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="ephemeral"):
    """Prompt-cache breakpoint (Anthropic's term; superset field). `ttl` is `5m` or `1h`."""

    ttl: Literal["5m", "1h"] | None = None


class PromptCacheBreakpoint(RequestStruct, frozen=True, kw_only=True):
    """OpenAI's explicit prompt-cache breakpoint on a content part."""

    mode: str
    ttl: str | None = None


# --- content parts ----------------------------------------------------------------------------------------------------


class ContentPartBase(RequestStruct, frozen=True, kw_only=True, tag_field="type"):
    """What every content part may carry beside its content."""

    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None
    cache_control: CacheControl | None = None


class TextPart(ContentPartBase, frozen=True, kw_only=True, tag="text"):
    """Plain text."""

    text: str


class ImageURL(RequestStruct, frozen=True, kw_only=True):
    """`url` is an http(s) URL or a `data:` URL with base64 content."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(ContentPartBase, frozen=True, kw_only=True, tag="image_url"):
    """An image."""

    image_url: ImageURL


class InputAudio(RequestStruct, frozen=True, kw_only=True):
    """`data` is base64; `format` names the container."""

    data: str
    format: str


class AudioPart(ContentPartBase, frozen=True, kw_only=True, tag="input_audio"):
    """Recorded audio."""

    input_audio: InputAudio


class FileData(RequestStruct, frozen=True, kw_only=True):
    """Either `file_data` (a `data:` URL with base64 content) or `file_id` (an uploaded file)."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(ContentPartBase, frozen=True, kw_only=True, tag="file"):
    """A document, for example a PDF."""

    file: FileData


class VideoPart(ContentPartBase, frozen=True, kw_only=True, tag="video_url"):
    """A video (superset: as vLLM and OpenRouter spell it)."""

    video_url: ImageURL


class RefusalPart(ContentPartBase, frozen=True, kw_only=True, tag="refusal"):
    """A refusal by the model, only in assistant messages."""

    refusal: str


ContentPart = TextPart | ImagePart | AudioPart | FilePart | VideoPart | RefusalPart
Content = str | list[ContentPart]
TextContent = str | list[TextPart]


# --- reasoning that travels with assistant messages -------------------------------------------------------------------


class ReasoningDetail(RequestStruct, frozen=True, kw_only=True):
    """One opaque or readable piece of reasoning, tagged with its owner.

    `type` is `reasoning.text`, `reasoning.summary` or `reasoning.encrypted`; `format` names the owner, for example
    `anthropic-claude-v1`, `google-gemini-v1`, `openai-responses-v1`, and decides to whom it may be sent back.
    """

    type: str
    id: str | None = None
    format: str | None = None
    index: int | None = None
    text: str | None = None
    signature: str | None = None
    summary: str | None = None
    data: str | None = None


class ThinkingBlock(RequestStruct, frozen=True, kw_only=True):
    """Anthropic thinking block as LiteLLM and Envoy spell it on messages (accepted, never emitted)."""

    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class ReasoningText(RequestStruct, frozen=True, kw_only=True):
    """Readable reasoning as any-llm spells it (accepted, never emitted)."""

    content: str | None = None


class ThoughtContent(RequestStruct, frozen=True, kw_only=True):
    """Reasoning as TensorZero spells it on messages (accepted, never emitted); `provider_type` names the owner."""

    type: str
    text: str | None = None
    signature: str | None = None
    provider_type: str | None = None


class GoogleExtra(RequestStruct, frozen=True, kw_only=True):
    """Google's own spelling of a thought signature in OpenAI-format messages."""

    thought_signature: str | None = None


class AnthropicExtra(RequestStruct, frozen=True, kw_only=True):
    """Signature of a Claude thinking block as some clients spell it."""

    signature: str | None = None


class ExtraContent(RequestStruct, frozen=True, kw_only=True):
    """Opaque provider state on a message or tool call."""

    google: GoogleExtra | None = None
    anthropic: AnthropicExtra | None = None


# --- tool calls in the history ----------------------------------------------------------------------------------------


class FunctionCall(RequestStruct, frozen=True, kw_only=True):
    """`arguments` is a JSON text, as the model wrote it."""

    name: str
    arguments: str


class FunctionToolCall(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A call of a function tool."""

    id: str
    function: FunctionCall
    extra_content: ExtraContent | None = None


class CustomCall(RequestStruct, frozen=True, kw_only=True):
    """`input` is free text."""

    name: str
    input: str


class CustomToolCall(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """A call of a custom (free-text) tool."""

    id: str
    custom: CustomCall


ToolCall = FunctionToolCall | CustomToolCall


class AudioReference(RequestStruct, frozen=True, kw_only=True):
    """Names audio of an earlier answer."""

    id: str


# --- messages ---------------------------------------------------------------------------------------------------------


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


class AssistantMessage(RequestStruct, frozen=True, kw_only=True, tag_field="role", tag="assistant"):
    """An earlier answer of the model. `images` are those it made, as our own answers hold them."""

    content: Content | None = None
    images: list[ImagePart] | None = None
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


# --- tools ------------------------------------------------------------------------------------------------------------


class FunctionDefinition(RequestStruct, frozen=True, kw_only=True):
    """`parameters` is a JSON schema, kept byte for byte."""

    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None


class FunctionTool(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A tool whose arguments follow a JSON schema."""

    function: FunctionDefinition
    cache_control: CacheControl | None = None


class CustomDefinition(RequestStruct, frozen=True, kw_only=True):
    """`format` is a grammar or `{"type": "text"}`, kept byte for byte."""

    name: str
    description: str | None = None
    format: Raw | UnsetType = UNSET


class CustomTool(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """A tool that takes free text."""

    custom: CustomDefinition


Tool = FunctionTool | CustomTool


class ToolName(RequestStruct, frozen=True, kw_only=True):
    """The name of a function or custom tool."""

    name: str


class FunctionToolChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """Call this function."""

    function: ToolName


class CustomToolChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Call this custom tool."""

    custom: ToolName


class ToolReference(RequestStruct, frozen=True, kw_only=True):
    """A tool named inside `allowed_tools`."""

    type: str
    function: ToolName | None = None
    custom: ToolName | None = None


class AllowedTools(RequestStruct, frozen=True, kw_only=True):
    """The subset of tools that may be called."""

    mode: Literal["auto", "required"]
    tools: list[ToolReference]


class AllowedToolsChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="allowed_tools"):
    """Call only these tools."""

    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | FunctionToolChoice | CustomToolChoice | AllowedToolsChoice


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
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    moderation: Raw | UnsetType = UNSET
    n: int | None = None
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
