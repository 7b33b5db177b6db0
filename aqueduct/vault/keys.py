"""Under what an answer's state is found again: its first tool call, or the conversation up to its text.

A text alone would be ambiguous: one owner's token may serve many people, to whom a model says "Yes." for reasons that
are none of the others' business. So the key of a text is a hash over what the user said and the model answered from the
beginning to this answer. Instructions, tool calls and their results do not count, nor white space around a text, nor
whether a text is one string or many parts. A client that shortens its history finds nothing, and no harm is done.
"""

import hashlib
from typing import Final

from adapters.base import ReasoningBack
from schemas.chat_request import (
    AssistantMessage,
    AudioPart,
    AudioURLPart,
    ChatRequest,
    Content,
    ContentPart,
    FilePart,
    FunctionToolCall,
    ImagePart,
    TextPart,
    UserMessage,
    VideoPart,
)

TEXT_KEY: Final = "text\0"
"""Begins the key of a text; no tool call that an answer holds has such an id."""
_SAMPLE_CHARS: Final = 1024


class Conversation:
    """The hash over a conversation so far."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def asked(self, message: UserMessage) -> None:
        """Take a user's message: its text, and its media by length, beginning and end."""
        self._add(b"user", _text(message.content))
        if not isinstance(message.content, str):
            for part in message.content:
                media = _media(part)
                if media:
                    self._add(b"%d" % len(media), media[:_SAMPLE_CHARS] + media[-_SAMPLE_CHARS:])

    def answered(self, text: str) -> None:
        """Take an answer's text."""
        self._add(b"assistant", text)

    def key(self, text: str) -> str | None:
        """Return the key of an answer with this text, None where there is no text."""
        text = text.strip()
        if not text:
            return None
        after = self._hash.copy()
        after.update(_framed(b"assistant", text))
        return TEXT_KEY + after.hexdigest()

    def _add(self, kind: bytes, text: str) -> None:
        text = text.strip()
        if text:
            self._hash.update(_framed(kind, text))


def conversation(request: ChatRequest) -> Conversation:
    """Return the conversation that a request goes on with."""
    found = Conversation()
    for message in request.messages:
        take(found, message)
    return found


def take(into: Conversation, message: object) -> None:
    """Add a message where it counts."""
    if isinstance(message, UserMessage):
        into.asked(message)
    elif isinstance(message, AssistantMessage):
        into.answered(_text(message.content))


def lacking(request: ChatRequest, scope: ReasoningBack) -> dict[int, str]:
    """Return the key of each earlier answer that came back without any state, by its place among the messages.

    Of answers that called no tools only with the scope `always`.
    """
    texts = scope == "always"
    found: dict[int, str] = {}
    so_far = Conversation()
    for index, message in enumerate(request.messages):
        if type(message) is AssistantMessage and is_bare(message):
            if message.tool_calls:
                found[index] = message.tool_calls[0].id
            elif texts and (key := so_far.key(_text(message.content))) is not None:
                found[index] = key
        if texts:
            take(so_far, message)
    return found


def lacks_any(request: ChatRequest) -> bool:
    """Return whether the history has an answer without any state."""
    return any(type(message) is AssistantMessage and is_bare(message) for message in request.messages)


def is_bare(message: AssistantMessage) -> bool:
    """Return whether an earlier answer came back without any state."""
    if message.reasoning_details or message.thinking_blocks or message.tensorzero_extra_content:
        return False
    if message.extra_content is not None:
        return False
    calls = message.tool_calls or ()
    return all(call.extra_content is None for call in calls if isinstance(call, FunctionToolCall))


def _framed(kind: bytes, text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%b %d\0%b" % (kind, len(encoded), encoded)


def _text(content: Content | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content if isinstance(part, TextPart))


def _media(part: ContentPart) -> str:
    match part:
        case ImagePart():
            return part.image_url.url
        case VideoPart():
            return part.video_url.url
        case AudioURLPart():
            return part.audio_url.url
        case AudioPart():
            return part.input_audio.data
        case FilePart():
            return part.file.file_data or part.file.file_id or ""
        case _:
            return ""
