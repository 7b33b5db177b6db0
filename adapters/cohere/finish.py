"""Finish reasons of Cohere to OpenAI's words; knows no message.

Source: https://docs.cohere.com/v2/reference/chat; `ERROR_TOXIC` and `ERROR_LIMIT` are older and still seen.
"""

from adapters.cohere.errors import to_error_inside
from adapters.counts import note_unmapped
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_response import FinishReason


def to_finish_reason(native: str | None, *, called_tools: bool) -> FinishReason:
    """Return OpenAI's word; an unknown or missing one is `stop`, or `tool_calls` where tools were called."""
    match native:
        case "MAX_TOKENS" | "ERROR_LIMIT":
            return "length"
        case "ERROR_TOXIC":
            return "content_filter"
        case "COMPLETE" | "STOP_SEQUENCE" | "TOOL_CALL" | "ERROR" | "TIMEOUT":
            pass
        case _:
            note_unmapped("cohere", native)
    return "tool_calls" if called_tools else "stop"


def refuse_failures(native: str | None, message: str | None = None) -> None:
    """Raise `ProviderError` where the reason means that the provider failed."""
    if native == "ERROR":
        raise to_error_inside(message or "The provider ended the answer with ERROR.")
    if native == "TIMEOUT":
        raise ProviderError(ErrorKind.TIMEOUT, message or "The provider ended the answer with TIMEOUT.", code=native)
