"""The Anthropic Messages request as we send it: exact and typed; knows no hub message.

Source: https://platform.claude.com/docs/en/api/messages/create, checked against `anthropic` 2.12 on 2026-11-24.
"""

from typing import Literal

from msgspec import Raw, Struct

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class WireStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that we send: immutable, absent fields stay absent."""


class CacheControl(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="ephemeral"):
    """Prompt-cache breakpoint; the provider's default time to live is five minutes."""

    ttl: Literal["5m", "1h"] | None = None


# --- sources of images and documents ----------------------------------------------------------------------------------


class Base64Source(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="base64"):
    """`data` is base64."""

    media_type: str
    data: str


class UrlSource(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="url"):
    """The provider fetches `url` itself."""

    url: str


class FileSource(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="file"):
    """A file uploaded to the provider."""

    file_id: str


class TextSource(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """A plain-text document. `media_type` has no default so that it is always written."""

    data: str
    media_type: Literal["text/plain"]


# --- content blocks ---------------------------------------------------------------------------------------------------


class TextBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Text; the API refuses it empty or blank."""

    text: str
    cache_control: CacheControl | None = None


class ImageBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="image"):
    """An image."""

    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class DocumentBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="document"):
    """A PDF or a plain text."""

    source: Base64Source | UrlSource | FileSource | TextSource
    title: str | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    """Earlier thinking, unmodified, with the provider's signature."""

    thinking: str
    signature: str


class RedactedThinkingBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="redacted_thinking"):
    """Earlier encrypted thinking, unmodified."""

    data: str


class ToolUseBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    """A call of a tool; `input` is a JSON object."""

    id: str
    name: str
    input: Raw
    cache_control: CacheControl | None = None


class ToolResultBlock(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="tool_result"):
    """The result of a tool call."""

    tool_use_id: str
    content: "list[TextBlock | ImageBlock | DocumentBlock] | None" = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


UserBlock = TextBlock | ImageBlock | DocumentBlock | ToolResultBlock
AssistantBlock = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock
RequestBlock = UserBlock | AssistantBlock


class Message(WireStruct, frozen=True, kw_only=True):
    """One turn. `Raw` blocks are an answer's own, sent back as they came to continue a paused turn."""

    role: Literal["user", "assistant"]
    content: list[RequestBlock] | list[Raw]


# --- tools ------------------------------------------------------------------------------------------------------------


class Tool(WireStruct, frozen=True, kw_only=True):
    """A client tool; `input_schema` is a JSON schema whose root has the type `object`."""

    name: str
    input_schema: Raw
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None


class UserLocation(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="approximate"):
    """Where the user is, roughly."""

    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class WebSearchTool(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="web_search_20250305"):
    """The provider's own web search. `name` has no default so that it is always written."""

    name: Literal["web_search"]
    max_uses: int | None = None
    user_location: UserLocation | None = None


class ToolChoice(WireStruct, frozen=True, kw_only=True):
    """`name` only with the type `tool`; parallel calls cannot be forbidden with `none`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


# --- parameters -------------------------------------------------------------------------------------------------------


class Thinking(WireStruct, frozen=True, kw_only=True):
    """`budget_tokens` only with the type `enabled`: at least 1024 and below `max_tokens`."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(WireStruct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """The answer is JSON that follows `schema`."""

    schema: Raw


class OutputConfig(WireStruct, frozen=True, kw_only=True):
    """How hard the model works and in which form it answers."""

    effort: Effort | None = None
    format: OutputFormat | None = None


class Metadata(WireStruct, frozen=True, kw_only=True):
    """`user_id` is opaque: never a name or an address."""

    user_id: str


class MessagesRequest(WireStruct, frozen=True, kw_only=True):
    """`POST /v1/messages`. `model` is left out where the URL names it."""

    model: str = ""
    max_tokens: int
    messages: list[Message]
    system: list[TextBlock] | None = None
    metadata: Metadata | None = None
    output_config: OutputConfig | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    thinking: Thinking | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool | WebSearchTool] | None = None
    top_k: int | None = None
    top_p: float | None = None
