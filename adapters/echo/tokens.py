"""What the echo model counts and cuts: a token is four characters, so counts can be told without a tokenizer."""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.chat_request import AssistantMessage, ChatRequest, ContentPart, FunctionToolCall, Message, TextPart

CHARS_PER_TOKEN: Final = 4
TOKENS_PER_MEDIUM: Final = 85


def count(text: str) -> int:
    """Return the tokens of a text, the last of them perhaps shorter."""
    return -(-len(text) // CHARS_PER_TOKEN)


def cut(text: str, tokens: int) -> str:
    """Return the first `tokens` tokens of a text."""
    return text[: tokens * CHARS_PER_TOKEN]


def repeat(text: str, tokens: int) -> str:
    """Return exactly `tokens` tokens made of a text, over and over."""
    length = tokens * CHARS_PER_TOKEN
    seed = f"{text.strip() or 'echo'} "
    return (seed * (length // len(seed) + 1))[:length]


def pieces(text: str, tokens: int = 1) -> Iterator[str]:
    """Yield a text in pieces of `tokens` tokens each."""
    size = tokens * CHARS_PER_TOKEN
    for start in range(0, len(text), size):
        yield text[start : start + size]


def text_of(content: str | Iterable[ContentPart] | None) -> str:
    """Return the text parts of a message's content, one after the other."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content if isinstance(part, TextPart))


def count_prompt(request: ChatRequest) -> int:
    """Return the tokens of all messages; an image, file or recording counts as `TOKENS_PER_MEDIUM`."""
    return sum(_count_message(message) for message in request.messages)


def _count_message(message: Message) -> int:
    content = message.content
    total = count(text_of(content))
    if not isinstance(content, str | None):
        total += TOKENS_PER_MEDIUM * sum(not isinstance(part, TextPart) for part in content)
    if isinstance(message, AssistantMessage):
        for call in message.tool_calls or ():
            payload = call.function.arguments if isinstance(call, FunctionToolCall) else call.custom.input
            total += count(payload)
    return total
