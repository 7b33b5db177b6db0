"""The readable reasoning of an earlier answer, in whichever place the client has it; knows no provider."""

from schemas.chat_request import AssistantMessage, ReasoningText


def plain_reasoning(message: AssistantMessage) -> str:
    """Return the text of `reasoning_content` or `reasoning`, empty where there is none."""
    if message.reasoning_content:
        return message.reasoning_content
    reasoning = message.reasoning
    return (reasoning.content if isinstance(reasoning, ReasoningText) else reasoning) or ""
