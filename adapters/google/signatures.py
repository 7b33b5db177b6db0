"""Thought signatures that clients send back, wherever they keep them; knows no wire type.

Sources in order: `extra_content.google.thought_signature` of the call or message, `reasoning_details` of Google's
format, a suffix of the call id as LiteLLM (`__thought__`) and Bifrost (`_ts_`) append it. Where Gemini 3 demands one
and there is none, Google's sentinel turns the check off: https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

import re
from typing import Final

from adapters.google.answer import FORMAT
from schemas.chat_request import AssistantMessage, ExtraContent, FunctionToolCall, ToolCall

SENTINEL: Final = "skip_thought_signature_validator"
# Real signatures have hundreds of characters; a short tail after `_ts_` is part of an ordinary id.
_SUFFIX: Final = re.compile(r"(.+?)(?:__thought__([A-Za-z0-9+/=_-]*)|_ts_([A-Za-z0-9+/=_-]{32,}))", re.DOTALL)


def split_id(call_id: str) -> tuple[str, str | None]:
    """Return a call id without the signature that a gateway appended to it, and that signature."""
    found = _SUFFIX.fullmatch(call_id)
    return (found[1], found[2] or found[3] or None) if found is not None else (call_id, None)


class Signatures:
    """The signatures of one assistant message."""

    def __init__(self, message: AssistantMessage) -> None:
        calls = message.tool_calls or []
        ids = {split_id(call.id)[0] for call in calls}
        self._by_id: dict[str, str] = {}
        loose = _of_extra(message.extra_content)
        for detail in message.reasoning_details or ():
            if detail.format != FORMAT or not (signature := detail.data or detail.signature):
                continue
            owner = split_id(detail.id)[0] if detail.id is not None else None
            if owner is not None and owner in ids:
                self._by_id.setdefault(owner, signature)
            else:
                loose = loose or signature
        self.loose = loose
        """Belongs to no call by name: to the text, or where there is none to the first call."""

    def of_call(self, call: ToolCall) -> str | None:
        """Return the signature of a call, None where it has none."""
        clean, suffix = split_id(call.id)
        own = _of_extra(call.extra_content) if isinstance(call, FunctionToolCall) else None
        return own or self._by_id.get(clean) or suffix


def _of_extra(extra: ExtraContent | None) -> str | None:
    return (extra.google.thought_signature or None) if extra is not None and extra.google is not None else None
