"""Reasoning of earlier answers on its way back to a server; knows no other part of a message."""

from adapters.openai.quirks import Quirks
from adapters.plain_reasoning import plain_reasoning
from schemas.chat_request import AssistantMessage, ReasoningDetail, ThinkingBlock

CLAUDE_FORMAT = "anthropic-claude-v1"
_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "tensorzero_extra_content")


def reasoning_changes(message: AssistantMessage, quirks: Quirks, *, in_tool_loop: bool) -> dict[str, object]:
    """Return the message's reasoning fields that change: what the server does not take is left out."""
    changes: dict[str, object] = {name: None for name in _FIELDS if getattr(message, name) is not None}
    if not changes:
        return changes
    if quirks.reasoning_details:
        details = message.reasoning_details or [_to_detail(block) for block in message.thinking_blocks or ()]
        changes["reasoning_details"] = details or None
    if quirks.reasoning_fields and (quirks.reasoning_scope == "all" or (in_tool_loop and message.tool_calls)):
        text = readable_reasoning(message)
        changes |= dict.fromkeys(quirks.reasoning_fields, text or None)
    return changes


def readable_reasoning(message: AssistantMessage) -> str:
    """Return what an earlier answer's readable reasoning says, in whichever field the client has it."""
    if text := plain_reasoning(message):
        return text
    if message.reasoning_details:
        return "".join(detail.text or detail.summary or "" for detail in message.reasoning_details)
    return "".join(block.thinking or "" for block in message.thinking_blocks or ())


def _to_detail(block: ThinkingBlock) -> ReasoningDetail:
    if block.data is not None:
        return ReasoningDetail(type="reasoning.encrypted", format=CLAUDE_FORMAT, data=block.data)
    return ReasoningDetail(type="reasoning.text", format=CLAUDE_FORMAT, text=block.thinking, signature=block.signature)
