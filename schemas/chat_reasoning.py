"""Reasoning and opaque provider state that travel with assistant messages; knows no message."""

from schemas.request_struct import RequestStruct


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
