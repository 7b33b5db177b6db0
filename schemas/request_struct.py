"""What everything in a client's request is built on; knows no endpoint."""

from typing import Literal

from msgspec import Struct


class RequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that a client sends: immutable, absent fields stay absent."""


class CacheControl(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="ephemeral"):
    """Prompt-cache breakpoint (Anthropic's term; superset field). `ttl` is `5m` or `1h`."""

    ttl: Literal["5m", "1h"] | None = None


class PromptCacheBreakpoint(RequestStruct, frozen=True, kw_only=True):
    """OpenAI's explicit prompt-cache breakpoint on a content part."""

    mode: str
    ttl: str | None = None
