"""Amazon Bedrock's Converse API: requests as we send them, exact and typed, and answers, lenient; knows no hub message.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, checked 2026-11-24 against
the service description `bedrock-runtime` 2023-09-30 of the AWS SDKs. Blocks are unions there: exactly one field is set.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field

CacheTTL = Literal["5m", "1h"]


class WireStruct(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of everything that we send: immutable, absent fields stay absent."""


# --- content that we send ---------------------------------------------------------------------------------------------


class CachePoint(WireStruct, frozen=True, kw_only=True):
    """All before it is a prefix to be cached. `type` has no default so that it is always written."""

    type: Literal["default"]
    ttl: CacheTTL | None = None


class S3Location(WireStruct, frozen=True, kw_only=True):
    """An object that the provider reads itself."""

    uri: str


class MediaSource(WireStruct, frozen=True, kw_only=True):
    """`bytes` is base64."""

    bytes: str | None = None
    s3_location: S3Location | None = None


class Media(WireStruct, frozen=True, kw_only=True):
    """An image, a video or a recording."""

    format: str
    source: MediaSource


class Document(WireStruct, frozen=True, kw_only=True):
    """`name` is of letters, digits, single spaces, hyphens, parentheses and square brackets."""

    format: str
    name: str
    source: MediaSource


class ToolUse(WireStruct, frozen=True, kw_only=True):
    """A call of a tool; `input` is a JSON object."""

    tool_use_id: str
    name: str
    input: Raw


class ToolResultContent(WireStruct, frozen=True, kw_only=True):
    """One field is set."""

    text: str | None = None
    json: Raw | UnsetType = UNSET
    image: Media | None = None
    video: Media | None = None
    document: Document | None = None


class ToolResult(WireStruct, frozen=True, kw_only=True):
    """The result of a tool call; only some models know `status`."""

    tool_use_id: str
    content: list[ToolResultContent]
    status: Literal["success", "error"] | None = None


class ReasoningText(WireStruct, frozen=True, kw_only=True):
    """Earlier reasoning, unmodified, with the model's signature."""

    text: str
    signature: str | None = None


class ReasoningContent(WireStruct, frozen=True, kw_only=True):
    """`redacted_content` is base64 of what the model encrypted."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class Block(WireStruct, frozen=True, kw_only=True):
    """One field is set."""

    text: str | None = None
    image: Media | None = None
    document: Document | None = None
    video: Media | None = None
    audio: Media | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: ReasoningContent | None = None
    cache_point: CachePoint | None = None


class Message(WireStruct, frozen=True, kw_only=True):
    """One turn."""

    role: Literal["user", "assistant"]
    content: list[Block]


# --- tools and parameters ---------------------------------------------------------------------------------------------


class InputSchema(WireStruct, frozen=True, kw_only=True):
    """`json` is a JSON schema whose root has the type `object`."""

    json: Raw


class ToolSpec(WireStruct, frozen=True, kw_only=True):
    """A client's tool."""

    name: str
    input_schema: InputSchema
    description: str | None = None
    strict: bool | None = None


class SystemTool(WireStruct, frozen=True, kw_only=True):
    """A tool that the provider runs."""

    name: str


class Tool(WireStruct, frozen=True, kw_only=True):
    """One field is set."""

    tool_spec: ToolSpec | None = None
    system_tool: SystemTool | None = None
    cache_point: CachePoint | None = None


class Nothing(WireStruct, frozen=True, kw_only=True):
    """An empty object."""


class NamedTool(WireStruct, frozen=True, kw_only=True):
    """The tool that must be called."""

    name: str


class ToolChoice(WireStruct, frozen=True, kw_only=True):
    """One field is set."""

    auto: Nothing | None = None
    any: Nothing | None = None
    tool: NamedTool | None = None


class ToolConfig(WireStruct, frozen=True, kw_only=True):
    """`tools` has at least one."""

    tools: list[Tool]
    tool_choice: ToolChoice | None = None


class InferenceConfig(WireStruct, frozen=True, kw_only=True):
    """Parameters that all models share."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class GuardrailConfig(WireStruct, frozen=True, kw_only=True):
    """The guardrail that looks at question and answer."""

    guardrail_identifier: str
    guardrail_version: str
    trace: str | None = None


class JsonSchemaDefinition(WireStruct, frozen=True, kw_only=True):
    """`schema` is JSON in a text."""

    schema: str
    name: str | None = None
    description: str | None = None


class OutputStructure(WireStruct, frozen=True, kw_only=True):
    """What the answer follows."""

    json_schema: JsonSchemaDefinition


class TextFormat(WireStruct, frozen=True, kw_only=True):
    """`type` has no default so that it is always written."""

    type: Literal["json_schema"]
    structure: OutputStructure


class OutputConfig(WireStruct, frozen=True, kw_only=True):
    """In which form the model answers, and how hard it works."""

    text_format: TextFormat | None = None
    effort: str | None = None


class ServiceTier(WireStruct, frozen=True, kw_only=True):
    """`priority`, `default`, `flex` or `reserved`."""

    type: str


class ThinkingConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Claude's thinking, in the words of Anthropic's own API."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class NovaReasoning(WireStruct, frozen=True, kw_only=True):
    """Reasoning of Nova 2."""

    type: Literal["enabled", "disabled"]
    max_reasoning_effort: str | None = None


class NovaInference(WireStruct, frozen=True, kw_only=True):
    """Nova's parameters beyond the shared ones."""

    top_k: int


class AdditionalFields(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`additionalModelRequestFields`: what a model family has of its own, passed to the model as it is."""

    reasoning_config: ThinkingConfig | None = None
    thinking: ThinkingConfig | None = None
    reasoning_effort: str | None = None
    top_k: int | None = None
    nova_reasoning: NovaReasoning | None = field(default=None, name="reasoningConfig")
    nova_inference: NovaInference | None = field(default=None, name="inferenceConfig")


class ConverseRequest(WireStruct, frozen=True, kw_only=True):
    """`POST /model/{modelId}/converse` and `/converse-stream`."""

    messages: list[Message]
    system: list[Block] | None = None
    inference_config: InferenceConfig | None = None
    tool_config: ToolConfig | None = None
    guardrail_config: GuardrailConfig | None = None
    additional_model_request_fields: AdditionalFields | None = None
    additional_model_response_field_paths: list[str] | None = None
    request_metadata: dict[str, str] | None = None
    service_tier: ServiceTier | None = None
    output_config: OutputConfig | None = None


# --- answers ----------------------------------------------------------------------------------------------------------


class AnswerStruct(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that we read: only what we use, and nothing of it required."""


class WebLocation(AnswerStruct, frozen=True, kw_only=True):
    """A page."""

    url: str | None = None
    domain: str | None = None


class Location(AnswerStruct, frozen=True, kw_only=True):
    """Of several kinds of places only pages of the web matter."""

    web: WebLocation | None = None


class Citation(AnswerStruct, frozen=True, kw_only=True):
    """What a text rests on."""

    title: str | None = None
    source: str | None = None
    location: Location | None = None


class CitedText(AnswerStruct, frozen=True, kw_only=True):
    """A piece of the answer."""

    text: str | None = None


class CitationsContent(AnswerStruct, frozen=True, kw_only=True):
    """A piece of the answer with what it rests on."""

    content: list[CitedText] | None = None
    citations: list[Citation] | None = None


class CalledTool(AnswerStruct, frozen=True, kw_only=True):
    """A call, its start (without `input`) or a piece of its input (then `input` is a text)."""

    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: Raw | UnsetType = UNSET


class AnsweredReasoningText(AnswerStruct, frozen=True, kw_only=True):
    """Reasoning with the model's signature."""

    text: str | None = None
    signature: str | None = None


class AnsweredReasoning(AnswerStruct, frozen=True, kw_only=True):
    """`text` and `signature` stand here in streams only."""

    reasoning_text: AnsweredReasoningText | None = None
    redacted_content: str | None = None
    text: str | None = None
    signature: str | None = None


class AnsweredBlock(AnswerStruct, frozen=True, kw_only=True):
    """A block, its start, or a piece of it; unknown kinds have no field set."""

    text: str | None = None
    tool_use: CalledTool | None = None
    reasoning_content: AnsweredReasoning | None = None
    citations_content: CitationsContent | None = None
    citation: Citation | None = None


class AnsweredMessage(AnswerStruct, frozen=True, kw_only=True):
    """The assistant's turn."""

    content: list[AnsweredBlock]


class Output(AnswerStruct, frozen=True, kw_only=True):
    """The only kind of output is a message."""

    message: AnsweredMessage | None = None


class PromptRouterTrace(AnswerStruct, frozen=True, kw_only=True):
    """Which model a prompt router chose."""

    invoked_model_id: str | None = None


class Trace(AnswerStruct, frozen=True, kw_only=True):
    """What guardrail and prompt router did."""

    guardrail: Raw | UnsetType = UNSET
    prompt_router: PromptRouterTrace | None = None


class AnsweredTier(AnswerStruct, frozen=True, kw_only=True):
    """The tier that served the request."""

    type: str | None = None


class ModelFields(Struct, frozen=True, kw_only=True):
    """`additionalModelResponseFields`: what we ask models for."""

    stop_sequence: str | None = None


class ConverseAnswer(AnswerStruct, frozen=True, kw_only=True):
    """A whole answer."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: Raw | UnsetType = UNSET
    additional_model_response_fields: ModelFields | None = None
    trace: Trace | None = None
    service_tier: AnsweredTier | None = None


class StreamEvent(AnswerStruct, frozen=True, kw_only=True):
    """The payload of any event of a stream; its name stands outside of it."""

    content_block_index: int = 0
    start: AnsweredBlock | None = None
    delta: AnsweredBlock | None = None
    stop_reason: str | None = None
    usage: Raw | UnsetType = UNSET
    additional_model_response_fields: ModelFields | None = None
    trace: Trace | None = None
    service_tier: AnsweredTier | None = None


class CacheDetail(AnswerStruct, frozen=True, kw_only=True):
    """Tokens written with this time to live."""

    ttl: str | None = None
    input_tokens: int | None = None


class WireUsage(AnswerStruct, frozen=True, kw_only=True):
    """`input_tokens` excludes what was read from and written to the cache; `total_tokens` includes both."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


class ErrorBody(Struct, frozen=True, kw_only=True):
    """An error, as a body and as an event. Services differ in the spelling of `message`."""

    message: str | None = None
    capital_message: str | None = field(default=None, name="Message")
    type: str | None = field(default=None, name="__type")
