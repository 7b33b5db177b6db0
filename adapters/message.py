"""Builds the message of a whole answer for dialects that are not OpenAI's, as `chunks.py` does for a stream.

Knows no provider. A translator says what comes in the order in which it comes.
"""

from msgspec import Struct

from adapters import free_text
from adapters.answer_tool import JSON_TOOL, AnswerByTool
from adapters.tool_ids import UniqueIds
from adapters.tool_names import ToolNames
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import (
    Annotation,
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    MessageImage,
    MessageImageURL,
    MessageToolCall,
)


class Inherited(Struct, frozen=True, kw_only=True):
    """What an answer takes from its request where the provider gives no id and no time. `created` is in Unix seconds.

    `model` is the name that the client asked for.
    """

    model: str
    request_id: str
    created: int

    @property
    def answer_id(self) -> str:
        """The id of the completion and of each of its chunks."""
        return f"chatcmpl-{self.request_id}"


class MessageBuilder:
    """One message. `names` are those of the request's tools."""

    def __init__(self, names: ToolNames) -> None:
        self.details: list[ReasoningDetail] = []
        self.annotations: list[Annotation] = []
        self.calls: list[MessageToolCall] = []
        self._names = names
        self._texts: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self._images: list[MessageImage] = []
        self._ids = UniqueIds()
        self._by_tool = AnswerByTool() if names.has_answer_tool else None

    def text(self, text: str) -> tuple[int, int] | None:
        """Add answer text; returns where it stands, None where it is left out for an answer by tool."""
        if self._by_tool is not None and self._by_tool.answered:
            return None
        start, self._length = self._length, self._length + len(text)
        self._texts.append(text)
        return start, self._length

    def reasoning(self, text: str) -> None:
        """Add readable reasoning."""
        self._reasoning.append(text)

    def image(self, url: str) -> None:
        """Add an image as a `data:` URL."""
        self._images.append(MessageImage(image_url=MessageImageURL(url=url), index=len(self._images)))

    def call(self, native_name: str, arguments: str, call_id: str | None, seed: str) -> None:
        """Add a call; one of the tool in the answer's place is the text, in place of what was said and cited before.

        `seed` makes an id where `call_id` is none.
        """
        if self._by_tool is not None:
            if native_name == JSON_TOOL:
                if self._by_tool.answer():
                    self.annotations.clear()
                    said = arguments or "{}"
                    self._texts, self._length = [said], len(said)
                return
            self._by_tool.call()
        name, own_id = self._names.original(native_name), self._ids.take(call_id, seed)
        if self._names.is_custom(name):
            custom = CalledCustomTool(name=name, input=free_text.text_of(arguments))
            self.calls.append(MessageToolCall(id=own_id, type="custom", custom=custom))
        else:
            self.calls.append(
                MessageToolCall(id=own_id, function=CalledFunction(name=name, arguments=arguments or "{}"))
            )

    @property
    def said(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def message(self, refusal: str | None = None) -> AssistantResponse:
        """Return all of it."""
        text = self.said
        is_silent = not text and (self.calls or self._images or refusal is not None)
        message = AssistantResponse(content=None if is_silent else text, refusal=refusal, annotations=self.annotations)
        if reasoning := "".join(self._reasoning):
            message.reasoning_content = message.reasoning = reasoning
        if self.details:
            message.reasoning_details = self.details
        if self.calls:
            message.tool_calls = self.calls
        if self._images:
            message.images = self._images
        return message
