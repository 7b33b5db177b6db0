"""Thought signatures that clients send back, wherever they keep them; knows no wire type.

Sources in order: `extra_content.google.thought_signature` of the call or message, `reasoning_details` of Google's
format, a suffix of the call id as LiteLLM (`__thought__`) and Bifrost (`_ts_`) append it. Where Gemini 3 demands one
and there is none, Google's sentinel turns the check off: https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from typing import Final

from adapters.google.answer import FORMAT
from adapters.tool_ids import split_signature
from schemas.chat_request import AssistantMessage, ExtraContent, FunctionToolCall, ToolCall

SENTINEL: Final = "skip_thought_signature_validator"


class Signatures:
    """The signatures of one assistant message."""

    def __init__(self, message: AssistantMessage) -> None:
        calls = message.tool_calls or []
        ids = {split_signature(call.id)[0] for call in calls}
        self._by_id: dict[str, str] = {}
        loose = _of_extra(message.extra_content)
        for thought in message.tensorzero_extra_content or ():
            if "gemini" in (thought.provider_type or ""):
                loose = loose or thought.signature
        for detail in message.reasoning_details or ():
            if detail.format != FORMAT or not (signature := detail.data or detail.signature):
                continue
            owner = split_signature(detail.id)[0] if detail.id is not None else None
            if owner is not None and owner in ids:
                self._by_id.setdefault(owner, signature)
            else:
                loose = loose or signature
        self.loose = loose
        """Belongs to no call by name: to the text, or where there is none to the first call."""

    def of_call(self, call: ToolCall) -> str | None:
        """Return the signature of a call, None where it has none."""
        clean, suffix = split_signature(call.id)
        own = _of_extra(call.extra_content) if isinstance(call, FunctionToolCall) else None
        return own or self._by_id.get(clean) or suffix


def _of_extra(extra: ExtraContent | None) -> str | None:
    return (extra.google.thought_signature or None) if extra is not None and extra.google is not None else None
