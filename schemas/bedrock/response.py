"""Converse's answers, events and errors: lenient, only what we use; knows no hub message.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, checked 2026-11-24
against the service description `bedrock-runtime` 2023-09-30 of the AWS SDKs.
"""

from msgspec import UNSET, Raw, Struct, UnsetType, field


class AnswerStruct(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that we read: only what we use, and nothing of it required."""


class WebLocation(AnswerStruct, frozen=True, kw_only=True):
    """A page."""

    url: str | None = None
    domain: str | None = None


class Location(AnswerStruct, frozen=True, kw_only=True):
    """Of several kinds of places only pages of the web matter."""

    web: WebLocation | None = None


class CitedText(AnswerStruct, frozen=True, kw_only=True):
    """A piece of the answer, or of a source."""

    text: str | None = None


class Citation(AnswerStruct, frozen=True, kw_only=True):
    """What a text rests on; `source_content` is the passage."""

    title: str | None = None
    source: str | None = None
    source_content: list[CitedText] | None = None
    location: Location | None = None


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


class ImageSource(AnswerStruct, frozen=True, kw_only=True):
    """An image; `data` is base64."""

    data: str | None = field(default=None, name="bytes")


class AnsweredImage(AnswerStruct, frozen=True, kw_only=True):
    """An image that the model made, its start (without `source`) or a piece of it (without `format`)."""

    format: str | None = None
    source: ImageSource | None = None


class AnsweredBlock(AnswerStruct, frozen=True, kw_only=True):
    """A block, its start, or a piece of it; unknown kinds have no field set."""

    text: str | None = None
    tool_use: CalledTool | None = None
    reasoning_content: AnsweredReasoning | None = None
    citations_content: CitationsContent | None = None
    citation: Citation | None = None
    image: AnsweredImage | None = None


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
    """An error, as a body and as an event. Services differ in the spelling of `message`.

    `original_message` is what the model behind said.
    """

    message: str | None = None
    capital_message: str | None = field(default=None, name="Message")
    type: str | None = field(default=None, name="__type")
    original_message: str | None = field(default=None, name="originalMessage")
