"""Finish and block reasons of the Gemini API to OpenAI's words; knows no message.

Source: https://ai.google.dev/api/generate-content#FinishReason and Vertex AI's enum for the integers that it writes.
"""

from typing import Final

from adapters.counts import note_unmapped
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_response import FinishReason
from schemas.google.response import Enum

UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"
_FINISH_NUMBERS: Final = (
    UNSPECIFIED,
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL",
    "NO_IMAGE",
)
_BLOCK_NUMBERS: Final = (
    "BLOCKED_REASON_UNSPECIFIED",
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "JAILBREAK",
)
_LENGTH: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})
_FILTERED: Final = frozenset(
    {
        "SAFETY",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "MODEL_ARMOR",
        "RECITATION",
        "IMAGE_RECITATION",
        "LANGUAGE",
        "ESCALATION",
    }
)
_FAILED: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "NO_IMAGE",
        "IMAGE_OTHER",
        "OTHER",
    }
)


def finish_name(native: Enum) -> str:
    """Return the reason's name, also for Vertex AI's integers."""
    return _name(native, _FINISH_NUMBERS)


def block_name(native: Enum | None) -> str:
    """Return the name of the reason for which a prompt was blocked."""
    return _name(native if native is not None else 0, _BLOCK_NUMBERS)


def to_finish_reason(native: str | None, *, called_tools: bool) -> FinishReason:
    """Return OpenAI's word; an unknown or missing one is `stop`, or `tool_calls` where tools were called."""
    if native in _LENGTH:
        return "length"
    if native in _FILTERED:
        return "content_filter"
    if native != "STOP":
        note_unmapped("google", native)
    return "tool_calls" if called_tools else "stop"


def is_filtered(native: str) -> bool:
    """Return whether the reason means that a filter has stopped the answer."""
    return native in _FILTERED


def refuse_failures(native: str) -> None:
    """Raise `ProviderError` where the reason means that the provider failed."""
    if native in _FAILED:
        raise ProviderError(ErrorKind.SERVER_ERROR, f"The provider ended the answer with {native}.", code=native)
    if native == "PUP_LIMITED_DISABLED":
        raise ProviderError(ErrorKind.CREDENTIALS, "The provider has limited or disabled the account.", code=native)


def _name(native: Enum, numbers: tuple[str, ...]) -> str:
    if isinstance(native, str):
        return native
    return numbers[native] if 0 <= native < len(numbers) else str(native)
