"""A Converse request as we send it: exact and typed; knows no hub message.

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


class OneCall(Struct, frozen=True, kw_only=True):
    """Claude's choice of tools, in the words of Anthropic's own API: for the switch that Converse has no field for.

    Not beside `toolConfig.toolChoice`: the API says that they conflict.
    """

    type: Literal["auto"]
    disable_parallel_tool_use: bool


class AdditionalFields(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`additionalModelRequestFields`: what a model family has of its own, passed to the model as it is."""

    reasoning_config: ThinkingConfig | None = None
    thinking: ThinkingConfig | None = None
    tool_choice: OneCall | None = None
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
