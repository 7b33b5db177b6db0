"""Finish reasons of OpenAI-format servers to OpenAI's five; knows no message."""

from typing import Final, get_args

from adapters.counts import note_unmapped
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_response import FinishReason

_OWN: Final[dict[str, FinishReason]] = {reason: reason for reason in get_args(FinishReason)}
_FOREIGN: Final[dict[str, FinishReason]] = {
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "content-filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}
_FAILED: Final = frozenset({"error", "network_error", "abort", "insufficient_system_resource", "engine_overloaded"})


def to_finish_reason(native: str | None, *, called_tools: bool, keep_stop: bool = False) -> FinishReason:
    """Return OpenAI's word; an unknown or missing one is `stop`, or `tool_calls` where tools were called.

    `keep_stop`: a literal `stop` stands also after tool calls (OpenAI says so where the call was forced).

    Raises:
        ProviderError: the word means that the provider failed.
    """
    reason = _OWN.get(native or "")
    if reason is None and native:
        lowered = native.lower()
        if lowered in _FAILED:
            raise ProviderError(ErrorKind.SERVER_ERROR, "The provider ended the answer with an error.", code=lowered)
        reason = _OWN.get(lowered) or _FOREIGN.get(lowered)
    elif reason == "stop" and keep_stop:
        return reason
    if reason is None:
        note_unmapped("openai", native)
    if reason is None or reason == "stop":
        return "tool_calls" if called_tools else "stop"
    return reason
